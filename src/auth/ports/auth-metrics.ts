/** What auth counts. The default counts nothing; a port of its own, so that auth needs no metrics library. No method throws. */
export abstract class AuthMetrics {
  /** One refresh: `rotated`, `replayed_window`, `replayed_key`, or the reason of its failure; the seconds it took. */
  abstract refresh(outcome: string, seconds: number): void;
  abstract login(outcome: string): void;
  /** Events waiting for their record. */
  abstract auditQueue(depth: number): void;
  /** Events that shared one insert. */
  abstract auditBatch(size: number): void;
  /** Passwords waiting to be hashed or verified. */
  abstract hashQueue(depth: number): void;
  /** The security policy was found in the cache, was not, or the cache failed. */
  abstract securityCache(event: 'hit' | 'miss' | 'error'): void;
  /** The guard's view was brought up to date; how many revocations it holds. */
  abstract viewRefreshed(size: number): void;
  /** How long another instance's revocation took to get here. */
  abstract revocationSeen(seconds: number): void;
  /** A request was refused by a limit. */
  abstract limited(limit: string): void;
  /** Rows, or months of the event log, that a clean-up removed. */
  abstract cleanedUp(what: 'sessions' | 'revocations' | 'audit_months', count: number): void;
  abstract listenerFailed(eventType: string): void;
}
