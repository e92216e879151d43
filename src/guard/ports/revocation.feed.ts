import type { SecurityPolicy } from '../versions';

/** A token can be issued on floors that were read this long before: the wait for a password hash, a slow transaction. */
export const ISSUE_MARGIN_SECONDS = 120;

/** What the guards of all instances must know of a change; the transaction that makes the change announces it. */
export type Revocation =
  | { readonly kind: 'user'; readonly userId: string; readonly minVersion: number }
  | { readonly kind: 'session'; readonly sessionId: string };

export interface RevocationReading {
  readonly policy: SecurityPolicy;
  readonly revocations: readonly (Revocation & { readonly announcedAt: Date })[];
  /** Where the next reading takes up. It only ever rises, unless the database has been restored. */
  readonly horizon: bigint;
  /** The database's clock. */
  readonly now: Date;
}

/** Who wants to know of revocations. */
export interface RevocationWatcher {
  /** Something may be new: read soon. Carries nothing, since a hint can be lost, doubled or forged. */
  hint(): void;
  /** Hints may have been lost: read everything again. */
  reset(): void;
  /** This process has committed these itself. */
  committed(revocations: readonly Revocation[], policy?: SecurityPolicy): void;
}

/** The announced revocations of all instances. */
export abstract class RevocationFeed {
  /**
   * One statement: the policy, and what was committed since `horizon` was read, however long its transaction had been
   * open by then (some of it may come twice). Without a horizon: everything that a living access token could meet.
   */
  abstract read(horizon: bigint | null): Promise<RevocationReading>;

  /** Tells `watcher` until the answered function is called. */
  abstract watch(watcher: RevocationWatcher): Promise<() => Promise<void>>;

  /** Forgets what no living access token can meet, until `stop`; a dry run only counts it. Answers how many. */
  abstract purge(dryRun: boolean, stop?: AbortSignal): Promise<number>;
}
