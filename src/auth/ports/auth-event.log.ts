import type { AuthEvent, EventOutcome } from '../domain/events';

/** A recorded event, read from the log. */
export interface RecordedEvent {
  /** UUIDv7. */
  readonly id: string;
  /** Such as `auth.login.failed.v1`. */
  readonly type: string;
  /** The start of the attempt, on the application's clock. */
  readonly occurredAt: Date;
  /** Shared by everything that one request caused; null if no request caused the event. */
  readonly attemptId: string | null;
  readonly userId: string | null;
  readonly sessionId: string | null;
  readonly generation: number | null;
  readonly ipAddress: string | null;
  /** At most 512 characters; `Unknown` if the caller sent none. */
  readonly userAgent: string;
  readonly outcome: EventOutcome;
  /** Why it failed, or why sessions ended, from a closed list; null if the event has none. */
  readonly reason: string | null;
  /** The event's own fields beside the common ones. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Which events to find: those that match every given field. */
export interface EventFilter {
  readonly userId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly attemptId?: string | undefined;
  readonly type?: string | undefined;
  readonly outcome?: EventOutcome | undefined;
  /** Inclusive. */
  readonly from?: Date | undefined;
  /** Exclusive. */
  readonly to?: Date | undefined;
}

/** Where a page ended; the next one starts after it. */
export interface EventPosition {
  readonly occurredAt: Date;
  /** The id of the stored record. */
  readonly id: string;
  /** Which event of the record, from 0. */
  readonly part: number;
}

/** The order of a page, by time and, of one moment, by id. */
export type EventOrder = 'newest first' | 'oldest first';

/** What a retention removed, or would remove. */
export interface Dropped {
  /** Whole partitions of the log. */
  readonly partitions: number;
  /** Events that were in none. */
  readonly rows: number;
}

/** The number of events of a type in an hour. */
export interface EventCount {
  readonly type: string;
  /** 0 is the first hour. */
  readonly hour: number;
  readonly count: number;
}

/** A page of the log. */
export interface AuthEventPage {
  readonly items: readonly RecordedEvent[];
  /** Where the next page starts; null on the last one. */
  readonly next: EventPosition | null;
}

/**
 * The append-only record of what happened: the audit trail (PCI DSS 4.0.1, 10.2.1).
 *
 * It takes and returns events. A granted refresh is stored as one record, its `AuthTokenRefreshSucceeded`, which is read as
 * two events: the attempt before it has the id of `attemptId` and the generation before. So a call that stores a success also
 * stores its attempt, given with it or not, and nobody gives the attempt of a granted refresh alone.
 */
export abstract class AuthEventLog {
  /**
   * Stores `events`, all or none; joins the current unit of work. Throws when one of them is stored already, which also
   * fails the unit of work: a change whose attempt has ended as a fault must not commit. The events are durable once this
   * call, or the unit of work, has committed.
   */
  abstract append(events: readonly AuthEvent[]): Promise<void>;

  /**
   * Like {@link append}, but outside of a unit of work, and skips events that are stored already; the attempt of a refresh
   * is skipped with its ending, since an attempt that has ended has its record. Returns the events that this call stored.
   */
  abstract appendNew(events: readonly AuthEvent[]): Promise<AuthEvent[]>;

  /** Returns a page of at most `limit` events in the given order, after the position `after`. */
  abstract find(filter: EventFilter, limit: number, after?: EventPosition, order?: EventOrder): Promise<AuthEventPage>;

  /**
   * Counts the events of each known type, except the two of a granted refresh, in each of `hours` hours since `from`: the newest
   * `most` events of a type, so that the work is bounded. Leaves out hours without an event of the type. In any order.
   */
  abstract countRare(from: Date, hours: number, most: number): Promise<readonly EventCount[]>;

  /**
   * Drops the partitions that ended more than `retentionSeconds` ago, except those that would make other transactions wait,
   * and deletes older events that are in none. A dry run only counts. Not for use within a unit of work; `stop` ends it
   * early, and the next call continues.
   */
  abstract dropOlderThan(retentionSeconds: number, dryRun: boolean, stop?: AbortSignal): Promise<Dropped>;
}
