import { Clock } from '../index';

/** A clock that stands until it is moved; with the in-memory ports it is the database's clock, too. */
export class MovableClock extends Clock {
  constructor(private moment = new Date()) {
    super();
  }

  now(): Date {
    return new Date(this.moment);
  }

  advance(seconds: number): void {
    this.moment = new Date(this.moment.getTime() + seconds * 1000);
  }
}
