import { Clock } from '../index';

/** A clock that stands still until you move it; for the in-memory ports it is also the database's clock. */
export class MovableClock extends Clock {
  constructor(private moment = new Date()) {
    super();
  }

  /** The present moment of this clock. */
  now(): Date {
    return new Date(this.moment);
  }

  /** Moves the clock by so many seconds; backwards if they are negative. */
  advance(seconds: number): void {
    this.moment = new Date(this.moment.getTime() + seconds * 1000);
  }
}
