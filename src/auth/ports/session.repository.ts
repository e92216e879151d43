import type { VersionStamps } from '../../guard/versions';
import type { AuthTokenRefreshAttempted, AuthTokenRefreshSucceeded } from '../domain/events';
import type { RefreshFacts, RefreshSession, RefreshUser } from '../domain/refresh-decision';
import type { RevocationReason } from '../domain/refusals';
import type { NewSession, Session } from '../domain/session';

/** What the refresh reads. `user` is undefined if the users are not in auth's database. */
export interface RefreshReading extends Omit<RefreshFacts, 'user'> {
  readonly user: RefreshUser | null | undefined;
}

/** The live token that a change replaces or confirms, as it was read. */
export type LiveToken = Pick<RefreshSession, 'id' | 'generation' | 'tokenHash' | 'keyed'>;

/** What a rotation writes; the generation rises by one. */
export interface NextToken extends VersionStamps {
  readonly tokenHash: Buffer;
  readonly successorNonce: Buffer;
  readonly keyId: number;
  readonly retryKeyHash: Buffer | null;
  readonly expiresAt: Date;
  readonly userAgent: string;
  readonly ipAddress: string | null;
}

export interface Replay {
  /** Replays through the window are counted, up to `maxReplays`; replays by key are not. */
  readonly door: 'window' | 'key';
  readonly maxReplays: number;
  /**
   * The retry key that the replay had: the session is keyed from now on and, if the rotation had no key, this one is stored,
   * so that a client that begins to send keys in the middle of a retry can retry with them.
   */
  readonly retryKeyHash: Buffer | null;
}

/** The two events of a refresh that changes its session. The statement of the change stores both, or neither. */
export type RefreshRecord = readonly [AuthTokenRefreshAttempted, AuthTokenRefreshSucceeded];

/** All sessions of a user except one, or all except the most recently used ones. */
export type SomeSessions =
  { readonly userId: string; readonly except: string } | { readonly userId: string; readonly keepLastUsed: number };

/**
 * The session rows. Rotation, replay, revocation and expiry are conditional changes of one row, so each sees the outcome of
 * the one before. For every method, a session whose absolute limit passed more than `sessionRetentionSeconds` ago does not
 * exist, deleted or not.
 */
export abstract class SessionRepository {
  /** Inserts a session; joins the current unit of work. Returns the session as stored, with the database's times. */
  abstract open(session: NewSession): Promise<Session>;

  /** Reads one snapshot, never inside a unit of work: the session in any state, both floors, the user. Null if there is no such session. */
  abstract findForRefresh(id: string): Promise<RefreshReading | null>;

  /**
   * One conditional write with its record. Returns false, and writes nothing, when `live` is no longer the live token
   * because of another rotation, a revocation or expiry.
   */
  abstract rotate(live: LiveToken, next: NextToken, record: RefreshRecord): Promise<boolean>;

  /**
   * One conditional write with its record, like {@link rotate}: it counts the replay and extends no limit. Returns false,
   * and writes nothing, when `live` is no longer the live token, was keyed in the meantime, or the door's cap is reached.
   */
  abstract confirmReplay(live: LiveToken, replay: Replay, record: RefreshRecord): Promise<boolean>;

  /**
   * Ends one session, expired or not, and announces it to the guards (unless they already refuse it because it is below a
   * floor); joins the current unit of work. Returns false if the session is already revoked, is unknown or, with `asRead`,
   * was rotated since.
   */
  abstract revoke(
    id: string,
    reason: RevocationReason,
    asRead?: Pick<LiveToken, 'generation' | 'tokenHash'>,
  ): Promise<boolean>;

  /**
   * Ends every session of a user that is neither revoked nor expired, in the order of their ids; joins the current unit
   * of work. It announces nothing: callers that end all sessions also raise the user's floor, which covers them. Returns
   * the ids of the sessions that it ended.
   */
  abstract revokeAllOfUser(userId: string, reason: RevocationReason): Promise<string[]>;

  /** Ends all users' sessions that are neither revoked nor expired; joins the current unit of work. Announces nothing. Returns the number of ended sessions. */
  abstract revokeAll(reason: RevocationReason): Promise<number>;

  /** Counts the sessions that could still be refreshed and were issued below a global version; returns {@link estimate} if counting takes too long. */
  abstract countBelowGlobal(version: number): Promise<number>;

  /** Estimates the number of sessions, including ended ones, at once and without counting. */
  abstract estimate(): Promise<number>;

  /** Finds a session in any state; null if there is none. */
  abstract findById(id: string): Promise<Session | null>;

  /** Lists a user's sessions that are neither revoked nor expired, most recently used first. */
  abstract findLiveOfUser(userId: string): Promise<Session[]>;

  /**
   * Ends some of a user's sessions that are neither revoked nor expired, in the order of their ids, and announces each to
   * the guards; joins the current unit of work. Returns the ids of the sessions that it ended.
   */
  abstract revokeSome(which: SomeSessions, reason: RevocationReason): Promise<string[]>;

  /**
   * Deletes up to `limit` sessions past their retention, and skips those that another transaction has locked. Revoked
   * sessions stay until then, too: they are evidence. Returns the number of deleted sessions, or null while another clean-up
   * runs.
   */
  abstract deleteEnded(limit: number): Promise<number | null>;

  /** Counts the sessions that {@link deleteEnded} would delete, without a limit. */
  abstract countEnded(): Promise<number>;

  /**
   * Counts the user's sessions that ended by reuse in the last 24 hours, including those of the current unit of work and
   * those that an escalation ended with it.
   */
  abstract countReuses(userId: string): Promise<number>;

  /** Makes later callers for the same user wait until the current unit of work ends. */
  abstract lockUser(userId: string): Promise<void>;
}
