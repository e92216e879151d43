/** An answer to a poll of the feed: a page of everything, what is new, nothing new, or 503. */
export type FeedAnswerKind = 'snapshot' | 'news' | 'empty' | 'refused';

/** Auth's metrics. The default counts nothing. It is a port, so that auth depends on no metrics library. No method throws. */
export abstract class AuthMetrics {
  /** One refresh. `outcome` is `rotated`, `replayed_window`, `replayed_key`, `replayed_bound`, or the reason of its failure; `seconds` is its duration. */
  abstract refresh(outcome: string, seconds: number): void;
  /** One step-up whose proof was asked for. `outcome` is one of {@link refresh}, or why the proof failed. It is not among the refreshes. */
  abstract reauthentication(outcome: string): void;
  /** One registration of a device's key: `bound`, `repeated`, or why not. */
  abstract deviceRegistration(outcome: string): void;
  /** One sign-in. */
  abstract login(outcome: string): void;
  /** Events that wait for their record. */
  abstract auditQueue(depth: number): void;
  /** Events that shared one insert. */
  abstract auditBatch(size: number): void;
  /** Rotations that shared one statement. */
  abstract rotationBatch(size: number): void;
  /** Passwords that wait to be hashed or verified. */
  abstract hashQueue(depth: number): void;
  /** The guard's view could show the security policy (`hit`), could not (`error`), or the policy was read from the database (`miss`). */
  abstract securityCache(event: 'hit' | 'miss' | 'error'): void;
  /** The guard's view was updated; `size` is the number of revocations that it holds. */
  abstract viewRefreshed(size: number): void;
  /** How many seconds another instance's revocation took to arrive here. */
  abstract revocationSeen(seconds: number): void;
  /** Polls of the feed that are open: those of services, most of which wait. */
  abstract feedPolls(open: number): void;
  /** One poll of the feed was answered. */
  abstract feedAnswered(kind: FeedAnswerKind): void;
  /** Redis did not count a request, so this process did. */
  abstract limiterFellBack(): void;
  /** A request was refused, or slowed down, by a limit. */
  abstract limited(limit: string): void;
  /** Rows, or partitions of the event log, that a clean-up removed. */
  abstract cleanedUp(what: 'sessions' | 'revocations' | 'audit_partitions' | 'audit_rows', count: number): void;
  /** Rows of sessions that had ended with all of their user's, and show it now. */
  abstract sessionsMarked(count: number): void;
  /** A listener threw. */
  abstract listenerFailed(eventType: string): void;
}
