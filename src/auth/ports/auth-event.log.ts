import type { AuthEvent, EventOutcome } from '../domain/events';

/** A recorded event, read from the log. */
export interface RecordedEvent {
  readonly id: string;
  readonly type: string;
  readonly occurredAt: Date;
  readonly attemptId: string | null;
  readonly userId: string | null;
  readonly sessionId: string | null;
  readonly generation: number | null;
  readonly ipAddress: string | null;
  readonly userAgent: string;
  readonly outcome: EventOutcome;
  readonly reason: string | null;
  /** The event's own fields beside the common ones. */
  readonly details: Readonly<Record<string, unknown>>;
}

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
  readonly id: string;
}

export type EventOrder = 'newest first' | 'oldest first';

/** The append-only record of what happened: the audit trail (PCI DSS 4.0.1, 10.2.1). */
export abstract class AuthEventLog {
  /**
   * Stores `events`, all or none; joins the current unit of work. Throws when one of them is stored already, which also
   * fails the unit of work: a change whose attempt has ended as a fault must not commit. The events are durable once this
   * call, or the unit of work, has committed.
   */
  abstract append(events: readonly AuthEvent[]): Promise<void>;

  /** Like {@link append}, but outside of a unit of work, and skips events that are stored already. Returns those that this call stored. */
  abstract appendNew(events: readonly AuthEvent[]): Promise<AuthEvent[]>;

  /** Returns at most `limit` events in the given order, after the position `after`. */
  abstract find(
    filter: EventFilter,
    limit: number,
    after?: EventPosition,
    order?: EventOrder,
  ): Promise<RecordedEvent[]>;

  /**
   * Drops the months that ended more than `retentionSeconds` ago, except those that would make other transactions wait; a
   * dry run only counts them. Returns the number of months.
   */
  abstract dropOlderThan(retentionSeconds: number, dryRun: boolean): Promise<number>;
}
