import type { AuthEvent } from '../domain/events';

/** How many records of one kind are stored one by one. */
export interface RecordBound {
  /** What the records are counted by. */
  readonly key: string;
  readonly most: number;
  /** The length of a window after which the count starts again; without it, it does not. */
  readonly seconds?: number;
}

/** Delivers events to the record and to listeners. */
export abstract class AuthEvents {
  /**
   * Records events that belong to no change, then dispatches them. Resolves when the record is durable. Concurrent calls
   * share an insert, and the events of one call are stored all or not at all.
   * @throws NotRecorded when the record is not durable within the deadline, or too many events wait
   */
  abstract record(events: readonly AuthEvent[]): Promise<void>;

  /**
   * Like {@link record} up to a bound. Beyond it the calls are only counted, and for each key one aggregated event a minute
   * has the type of their last event, and the user and session that all of them have in common. Each process counts for
   * itself, and remembers a bounded number of keys.
   * @throws NotRecorded like {@link record}
   */
  abstract recordUpTo(bound: RecordBound, events: readonly AuthEvent[]): Promise<void>;

  /**
   * Records junk and throttled requests without making a caller wait: one by one up to a limit per ip and minute and a
   * limit per second and process, and beyond them as one aggregated event a minute. Never throws.
   */
  abstract recordJunk(events: readonly AuthEvent[]): void;

  /**
   * Passes recorded events to the listeners, after the current unit of work has committed. Best effort: it never throws,
   * and callers do not wait for listeners.
   */
  abstract dispatch(events: readonly AuthEvent[]): void;
}
