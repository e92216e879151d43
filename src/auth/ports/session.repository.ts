import type { VersionStamps } from '../../guard/versions';
import type { AuthTokenRefreshAttempted, AuthTokenRefreshSucceeded } from '../domain/events';
import type { RefreshFacts, RefreshSession, RefreshUser } from '../domain/refresh-decision';
import type { RevocationReason } from '../domain/refusals';
import type { NewSession, Session } from '../domain/session';

/** What the refresh reads. `user` is undefined where the users are not in auth's database. */
export interface RefreshReading extends Omit<RefreshFacts, 'user'> {
  readonly user: RefreshUser | null | undefined;
}

/** The live token that a change replaces or confirms, as it was read. */
export type LiveToken = Pick<RefreshSession, 'id' | 'generation' | 'tokenHash' | 'keyed'>;

/** What a rotation writes; the generation goes up by one. */
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
  /** The window's door is counted, and closed by `maxReplays`; the key's is neither. */
  readonly door: 'window' | 'key';
  readonly maxReplays: number;
  /**
   * The retry key that the replay carried: from now on the session is keyed, and where the rotation had none, this one is
   * stored, so that a client that begins to send keys in the middle of a retry can retry with them.
   */
  readonly retryKeyHash: Buffer | null;
}

/** The two events of a refresh that changes its session: they are stored in the statement of the change, or neither is. */
export type RefreshRecord = readonly [AuthTokenRefreshAttempted, AuthTokenRefreshSucceeded];

/** All sessions of a user but one, or all but the ones that were used last. */
export type SomeSessions =
  { readonly userId: string; readonly except: string } | { readonly userId: string; readonly keepLastUsed: number };

/**
 * The session rows: rotation, replay, revocation and expiry are conditional changes of one row and cannot pass each other.
 * A session whose absolute limit passed more than `sessionRetentionSeconds` ago is gone for every method, deleted or not.
 */
export abstract class SessionRepository {
  /** One insert; joins the current unit of work. Answers the session as stored, with the database's times. */
  abstract open(session: NewSession): Promise<Session>;

  /** One read of one moment, never inside a unit of work: the session in any state, both floors, the user; null without such a session. */
  abstract findForRefresh(id: string): Promise<RefreshReading | null>;

  /**
   * One conditional write with its record. False, and nothing written, when `live` was no longer the live token: another
   * rotation, a revocation or the expiry came first.
   */
  abstract rotate(live: LiveToken, next: NextToken, record: RefreshRecord): Promise<boolean>;

  /**
   * One conditional write with its record, like {@link rotate}, which counts the replay and moves no limit. False, and
   * nothing written, when `live` is no longer the live token, was keyed in the meantime, or the door's cap is reached.
   */
  abstract confirmReplay(live: LiveToken, replay: Replay, record: RefreshRecord): Promise<boolean>;

  /**
   * Ends one session, expired or not, and announces it to the guards (unless they refuse it already, being below a floor);
   * joins the current unit of work. False for one that is revoked already, unknown, or, with `asRead`, was rotated since.
   */
  abstract revoke(
    id: string,
    reason: RevocationReason,
    asRead?: Pick<LiveToken, 'generation' | 'tokenHash'>,
  ): Promise<boolean>;

  /**
   * Ends every session of a user that is neither revoked nor expired, in the order of their ids; joins the current unit
   * of work. It announces nothing: whoever ends all sessions raises the user's floor too, which says it all. Answers
   * the ids of those that it ended.
   */
  abstract revokeAllOfUser(userId: string, reason: RevocationReason): Promise<string[]>;

  /** Ends every session of everyone that is neither revoked nor expired; joins the current unit of work. Announces nothing. Answers how many. */
  abstract revokeAll(reason: RevocationReason): Promise<number>;

  /** How many sessions that could still be refreshed were issued below a global version; {@link estimate} where counting takes too long. */
  abstract countBelowGlobal(version: number): Promise<number>;

  /** About how many sessions there are, ended ones included, at once and without counting. */
  abstract estimate(): Promise<number>;

  /** A session in any state, or null. */
  abstract findById(id: string): Promise<Session | null>;

  /** A user's sessions that are neither revoked nor expired, newest use first. */
  abstract findLiveOfUser(userId: string): Promise<Session[]>;

  /**
   * Ends some of a user's sessions that are neither revoked nor expired, in the order of their ids, and announces each to
   * the guards; joins the current unit of work. Answers the ids of those that it ended.
   */
  abstract revokeSome(which: SomeSessions, reason: RevocationReason): Promise<string[]>;

  /**
   * Deletes up to `limit` sessions that are gone, leaving out those that somebody else is at. Revoked ones stay until
   * then, too: they are evidence. Answers how many, or null when somebody else is cleaning up.
   */
  abstract deleteEnded(limit: number): Promise<number | null>;

  /** How many {@link deleteEnded} would delete, without a limit. */
  abstract countEnded(): Promise<number>;

  /**
   * How many sessions of the user ended by reuse in the last 24 hours, the current unit of work's included, and those that
   * an escalation ended with it.
   */
  abstract countReuses(userId: string): Promise<number>;

  /** Makes later callers for the same user wait until the current unit of work ends. */
  abstract lockUser(userId: string): Promise<void>;
}
