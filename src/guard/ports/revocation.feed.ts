import type { SecurityPolicy } from '../versions';

/** A token can be issued on floors that were read this long before: the wait for a password hash, a slow transaction. */
export const ISSUE_MARGIN_SECONDS = 120;

/** What the guards of all instances must know of a change; the transaction of the change announces it. */
export type Revocation =
  | { readonly kind: 'user'; readonly userId: string; readonly minVersion: number }
  | { readonly kind: 'session'; readonly sessionId: string };

export interface RevocationReading {
  readonly policy: SecurityPolicy;
  readonly revocations: readonly (Revocation & { readonly announcedAt: Date })[];
  /** Where the next reading continues. It only rises, unless the database has been restored. */
  readonly horizon: bigint;
  /** The database's clock. */
  readonly now: Date;
}

/** Is notified of revocations. */
export interface RevocationWatcher {
  /** There may be new revocations: read soon. A hint carries no data, since it can be lost, doubled or forged. */
  hint(): void;
  /** Hints may have been lost: read everything again. */
  reset(): void;
  /** This process has committed these revocations, and this policy, itself. */
  committed(revocations: readonly Revocation[], policy?: SecurityPolicy): void;
}

/** The announced revocations of all instances. */
export abstract class RevocationFeed {
  /**
   * Reads in one statement the policy and the revocations committed since `horizon` was read, however long their
   * transactions had been open by then (some revocations may be returned twice). Without a horizon, it returns all
   * revocations that could affect an unexpired access token.
   */
  abstract read(horizon: bigint | null): Promise<RevocationReading>;

  /** Notifies `watcher` until the returned function is called. */
  abstract watch(watcher: RevocationWatcher): Promise<() => Promise<void>>;

  /** Deletes revocations that cannot affect an unexpired access token, until `stop`; a dry run only counts them. Returns their number. */
  abstract purge(dryRun: boolean, stop?: AbortSignal): Promise<number>;
}
