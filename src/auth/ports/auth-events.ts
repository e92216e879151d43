import type { AuthEvent } from '../domain/events';

/** Gets events to their record and to their listeners. */
export abstract class AuthEvents {
  /**
   * Records what changed nothing else, then dispatches it. Resolves when the record is durable; concurrent calls share
   * an insert, and the events of one call are stored all or not at all.
   * @throws NotRecorded when the record is not durable within the deadline, or too many wait
   */
  abstract record(events: readonly AuthEvent[]): Promise<void>;

  /**
   * Records junk and throttled requests without making anyone wait: one by one up to a limit per ip and minute and
   * one per second and process, beyond them as one aggregated event a minute. Never throws.
   */
  abstract recordJunk(events: readonly AuthEvent[]): void;

  /**
   * Hands recorded events to the listeners, after the current unit of work has committed. Best effort: never throws,
   * never waited for.
   */
  abstract dispatch(events: readonly AuthEvent[]): void;
}
