import type { SecurityPolicy } from '../versions';

/** A token can be issued on floors that were read this long before: the wait for a password hash, a slow transaction. */
export const ISSUE_MARGIN_SECONDS = 120;

/** What the guards of all instances must know of a change; the transaction of the change announces it. */
export type Revocation =
  | { readonly kind: 'user'; readonly userId: string; readonly minVersion: number }
  | { readonly kind: 'session'; readonly sessionId: string };

/** A revocation as it was announced. */
export type Announced = Revocation & {
  readonly announcedAt: Date;
  /**
   * Where it is on the scale of horizons, the same in every reading of one server: a reading from a horizon has the
   * revocations whose position is at least that horizon.
   */
  readonly position: bigint;
};

/** The policy and revocations, from one statement. */
export interface RevocationReading {
  readonly policy: SecurityPolicy;
  readonly revocations: readonly Announced[];
  /** Where the next reading continues; after pages, that of the first. It only rises, unless the database has been restored. */
  readonly horizon: bigint;
  /** The database's clock. */
  readonly now: Date;
  /** Names the server that answered: another text for another server, and for the same one after it was started again. */
  readonly server: string;
  /** Where the next page begins; left out of the last one. */
  readonly nextPage?: bigint;
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

/** Where a guard's view reads revocations. */
export abstract class RevocationSource {
  /**
   * Reads in one statement the policy and the revocations committed since `horizon` was read, however long their
   * transactions had been open by then (some revocations may be returned twice). Without a horizon, it returns all
   * revocations that could affect an unexpired access token, in pages if they are many: `page` is `nextPage` of the page
   * before. What commits between the pages may be in none of them, but is in what follows the first page's horizon.
   * It rejects if the server may lack what others have committed, such as a standby.
   */
  abstract read(horizon: bigint | null, page?: bigint): Promise<RevocationReading>;

  /** Notifies `watcher` until the returned function is called. */
  abstract watch(watcher: RevocationWatcher): Promise<() => Promise<void>>;
}

/** The announced revocations of all instances. */
export abstract class RevocationFeed extends RevocationSource {
  /**
   * Announces revocations, and the policy if it has changed, to all instances; joins the current unit of work. The watchers
   * of this process get them in one call of `committed` as soon as that unit of work has committed, never when it rolls
   * back. Does nothing if there is nothing to announce.
   */
  abstract announce(ended: readonly Revocation[], reason: string, policy?: SecurityPolicy): Promise<void>;

  /** Deletes revocations that cannot affect an unexpired access token, until `stop`; a dry run only counts them. Returns their number. */
  abstract purge(dryRun: boolean, stop?: AbortSignal): Promise<number>;
}
