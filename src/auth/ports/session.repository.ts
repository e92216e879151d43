import type { VersionStamps } from '../../guard/versions';
import type { PagePosition } from '../../support/cursor';
import type { Binding } from '../domain/binding';
import type { AuthTokenRefreshAttempted, AuthTokenRefreshSucceeded } from '../domain/events';
import type { RefreshFacts, RefreshSession, RefreshUser, ReplayDoor } from '../domain/refresh-decision';
import type { RevocationReason } from '../domain/refusals';
import type { NewProof, NewSession, Session } from '../domain/session';

/** What the refresh reads. `user` is undefined if the users are not in auth's database. */
export interface RefreshReading extends Omit<RefreshFacts, 'user'> {
  readonly user: RefreshUser | null | undefined;
}

/**
 * The live token that a change replaces or confirms, as it was read.
 * @interface
 */
export type LiveToken = Pick<RefreshSession, 'id' | 'generation' | 'tokenHash' | 'keyed'>;

/** What a rotation writes, beside the generation and the predecessor's digest. */
export interface NextToken extends VersionStamps {
  /** The digest of the new token: SHA-256, 32 bytes. */
  readonly tokenHash: Buffer;
  /** From which, with the presented token, the same successor is derived again: 16 random bytes. */
  readonly successorNonce: Buffer;
  /** The root key that derived the new token. */
  readonly keyId: number;
  /** The digest of the `Idempotency-Key`; null if the refresh had none. */
  readonly retryKeyHash: Buffer | null;
  /** The new idle limit, on the database's clock. */
  readonly expiresAt: Date;
  readonly userAgent: string;
  readonly ipAddress: string | null;
  /** Of a step-up; without it, the row keeps its `authTime`, `amr` and `acr`. */
  readonly proof?: NewProof | undefined;
}

/** What a replay writes: nothing but its count and, once, its retry key. */
export interface Replay {
  /** Replays through the window are counted, up to `maxReplays`; other replays are not. */
  readonly door: ReplayDoor;
  readonly maxReplays: number;
  /**
   * The retry key that the replay had: the session is keyed from now on and, if the rotation had no key, this one is stored,
   * so that a client that begins to send keys in the middle of a retry can retry with them.
   */
  readonly retryKeyHash: Buffer | null;
  /** Of a step-up, as {@link NextToken.proof}. */
  readonly proof?: NewProof | undefined;
}

/** The two events of a refresh that changes its session: one stored record (`AuthEventLog`), by the statement of the change. */
export type RefreshRecord = readonly [AuthTokenRefreshAttempted, AuthTokenRefreshSucceeded];

/** A page of a user's sessions. */
export interface SessionPage {
  readonly items: readonly Session[];
  /** Where the next page starts: after this use, in the database's own microseconds; null on the last page. */
  readonly next: PagePosition | null;
}

/** A page of the users above a limit of sessions. */
export interface CrowdedUsers {
  readonly userIds: readonly string[];
  /** Where the next page starts; null on the last page. */
  readonly next: string | null;
}

/** All sessions of a user except one, or all except the most recently used ones. */
export type SomeSessions =
  { readonly userId: string; readonly except: string } | { readonly userId: string; readonly keepLastUsed: number };

/**
 * The session rows. Rotation, replay, revocation and expiry are conditional changes of one row, so each sees the outcome of
 * the one before. A session is live if it is neither revoked nor expired and `isHonoured` accepts its stamps: a raise of its
 * user's floor ends it at once, whatever its row says. For every method, a session whose absolute limit passed more than
 * `sessionRetentionSeconds` ago does not exist, deleted or not.
 */
export abstract class SessionRepository {
  /**
   * Inserts a session; joins the current unit of work. Returns the session as stored, with the database's times. Throws when
   * the id is taken.
   */
  abstract open(session: NewSession): Promise<Session>;

  /** Reads one snapshot, never inside a unit of work: the session in any state, both floors, the recovery epoch, the user. Null if there is no such session. */
  abstract findForRefresh(id: string): Promise<RefreshReading | null>;

  /**
   * One conditional write with its record. Returns false, and writes nothing, when `live` is no longer the live token
   * because of another rotation, a revocation or expiry. With a `proof`, this method and the next two join the current unit
   * of work, in which the step-up has its own record.
   */
  abstract rotate(live: LiveToken, next: NextToken, record: RefreshRecord): Promise<boolean>;

  /**
   * {@link rotate} for a token whose commit a failover has lost: `presented` is newer than `live`, and the row gets its
   * generation plus one, and its digest as the predecessor's. One conditional write with its record, never together with
   * others.
   */
  abstract adopt(
    live: LiveToken,
    presented: Pick<LiveToken, 'generation' | 'tokenHash'>,
    next: NextToken,
    record: RefreshRecord,
  ): Promise<boolean>;

  /**
   * One conditional write with its record, like {@link rotate}: it counts the replay and extends no limit. Returns false,
   * and writes nothing, when `live` is no longer the live token, was keyed in the meantime, or the door's cap is reached.
   */
  abstract confirmReplay(live: LiveToken, replay: Replay, record: RefreshRecord): Promise<boolean>;

  /**
   * Ends one session, expired or not, and announces it to the guards, unless they already refuse it because it is below a
   * floor. In a recovery epoch that is announced, too: an access token of a lost refresh may be above the floor. Joins the
   * current unit of work. Returns false if the session is already over, marked or not, is unknown or, with `asRead`, was
   * rotated since.
   */
  abstract revoke(
    id: string,
    reason: RevocationReason,
    asRead?: Pick<LiveToken, 'generation' | 'tokenHash'>,
  ): Promise<boolean>;

  /**
   * Gives the device of a live session a name, or takes it away; joins the current unit of work. Returns false, and writes
   * nothing, if the session is over, marked or not, or unknown.
   */
  abstract rename(id: string, deviceName: string | null): Promise<boolean>;

  /**
   * Binds a live session to a key of its device; joins the current unit of work. Returns false, and writes nothing, if the
   * session is over, marked or not, is unknown, is bound already, or was rotated since it was read.
   */
  abstract bind(asRead: Pick<Session, 'id' | 'generation'>, binding: Binding): Promise<boolean>;

  /**
   * Housekeeping: writes the end into the rows of sessions that a raise of their user's floor has ended, of one user or, with
   * null, of all whose floor rose within the life of a session. Changes no answer. It skips rows that another transaction has
   * locked, and works in short transactions, with a pause for `stop` between them. Returns the number of marked sessions.
   */
  abstract markEnded(userId: string | null, stop?: AbortSignal): Promise<number>;

  /**
   * Ends all users' sessions that were issued below a global version and are neither revoked nor expired, in short
   * transactions: one that is interrupted can be begun again. Announces nothing, since the floor refuses them already.
   * Returns the number of sessions that it ended.
   */
  abstract revokeBelowGlobal(version: number, reason: RevocationReason): Promise<number>;

  /** Counts the sessions that could still be refreshed and were issued below a global version; returns {@link estimate} if counting takes too long. */
  abstract countBelowGlobal(version: number): Promise<number>;

  /** Estimates the number of sessions, including ended ones, at once and without counting. */
  abstract estimate(): Promise<number>;

  /** Finds a session in any state; null if there is none. */
  abstract findById(id: string): Promise<Session | null>;

  /** Counts a user's live sessions. */
  abstract countLiveOfUser(userId: string): Promise<number>;

  /**
   * Lists at most `limit` of a user's live sessions, most recently used first and, of one microsecond, the highest id first;
   * those after `after`, if it is given. Pages repeat no session, and skip none except those that are refreshed in between:
   * they move to the front.
   */
  abstract findLiveOfUser(userId: string, limit: number, after?: PagePosition): Promise<SessionPage>;

  /**
   * Ends at most `limit` of a user's live sessions and announces each to the guards: with `except` those of the lowest ids,
   * with `keepLastUsed` the least recently used. Joins the current unit of work, in which the user must be locked. Returns
   * the ids of the sessions that it ended, in order.
   */
  abstract revokeSome(which: SomeSessions, reason: RevocationReason, limit: number): Promise<string[]>;

  /**
   * Finds users with more than `max` live sessions: at least those who have opened one within the last day, by the times in
   * the ids. Page by page, so that no statement takes long; `null` begins.
   */
  abstract findCrowdedUsers(max: number, after: string | null): Promise<CrowdedUsers>;

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
   * those that an escalation ended with it, marked or not.
   */
  abstract countReuses(userId: string): Promise<number>;

  /** Makes later callers for the same user wait until the current unit of work ends. */
  abstract lockUser(userId: string): Promise<void>;
}
