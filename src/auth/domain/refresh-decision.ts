import { timingSafeEqual } from 'node:crypto';
import { rejectionOf, type Floors, type VersionRejection } from '../../guard/versions';
import type { RefusalReason, RevocationReason, WaitReason } from './refusals';
import type { Claims, Delivery, Session } from './session';

/** What the client presented: the opened token's place in the chain and its digest. */
export interface Presentation {
  readonly generation: number;
  readonly digest: Buffer;
  readonly retryKeyHash: Buffer | null;
  readonly delivery: Delivery;
  /** Whether the key that the session is bound to has signed the request; false for a session that is not bound. */
  readonly isProven: boolean;
}

/** The columns of the session row that decide a refresh, or that its records contain: what a refresh reads of it. */
export const READ_BY_REFRESH = [
  'id',
  'userId',
  'generation',
  'tokenHash',
  'previousTokenHash',
  'successorNonce',
  'keyId',
  'retryKeyHash',
  'keyed',
  'replayCount',
  'rotatedAt',
  'tokenVersion',
  'globalVersionAtIssuance',
  'delivery',
  'lastUsedAt',
  'expiresAt',
  'absoluteExpiresAt',
  'revokedAt',
  'revokedReason',
  'deviceId',
  'deviceName',
  'lastUserAgent',
  'lastIpAddress',
  'authTime',
  'amr',
  'acr',
  'claims',
  'binding',
] as const satisfies readonly (keyof Session)[];

/**
 * The part of a session that a refresh reads.
 * @interface
 */
export type RefreshSession = Pick<Session, (typeof READ_BY_REFRESH)[number]>;

/** The user as a refresh needs it. */
export interface RefreshUser {
  /** 1 to 128 characters without control characters, as the directory spells it. */
  readonly id: string;
  /** The claim `email`, if `emailClaim` is on. */
  readonly email: string;
  /** What `@Roles()` compares with; `admin` opens auth's routes for administrators. */
  readonly roles: readonly string[];
  /** False: no sign-in, and every refresh ends its session. */
  readonly isActive: boolean;
  /** Claims that follow the user into each access token, at most 1 KB; read at each refresh. */
  readonly claims?: Claims | null | undefined;
}

/**
 * The last raise of the user's floor that ended sessions: every session stamped below `endedBelow` is over, whether its row
 * says so yet or not. 0 and null before the first.
 */
export interface BulkEnding {
  readonly endedBelow: number;
  readonly endedReason: RevocationReason | null;
}

/** Everything that decides a refresh, from one snapshot; `now` is the database's clock. */
export interface RefreshFacts {
  readonly session: RefreshSession;
  readonly floors: Floors & BulkEnding;
  readonly user: RefreshUser | null;
  /** The end of the recovery epoch that was declared after a failover; null if none ever was. */
  readonly recoveryUntil: Date | null;
  readonly now: Date;
}

/**
 * What is wrong with a token whose MAC is valid: its generation is ahead of the session's, its stamp is above the policy's
 * version, or it is the current one by its generation and not by its digest.
 */
export type ForgeryEvidence = 'generation_ahead' | 'stamp_above_policy' | 'digest_differs';

export interface ReplayRules {
  /** How long after a rotation a predecessor without a key is accepted, in seconds; 0 closes that door. */
  readonly replayWindowSeconds: number;
  readonly maxReplays: number;
  readonly retryKeys: boolean;
}

/** What allows a replay: the concurrency window, the retry key, or the key that the session is bound to. */
export type ReplayDoor = 'window' | 'key' | 'bound';

/** Granted, and for whom. */
export type RefreshGrant =
  | {
      readonly outcome: 'rotate';
      readonly user: RefreshUser;
      /** How many generations the row has lost: the presented token is adopted. Absent where it is the row's own. */
      readonly adoptedAhead?: number;
    }
  | { readonly outcome: 'replay'; readonly user: RefreshUser; readonly door: ReplayDoor };

/** What a refusal was decided by, and does. */
interface RefusalGrounds {
  /** Set when the refusal also ends the session. */
  readonly revoke?: RevocationReason;
  /** Why the session had ended before: the row's reason, else that of the raise that ended it. */
  readonly ended?: RevocationReason | null;
  readonly forgery?: ForgeryEvidence;
  /** Set where a recovery epoch would adopt the token, and none is open. */
  readonly adoptable?: true;
  /**
   * Set where it is no older generation that shows two holders: the session has two branches, of which this token is one and the
   * row the other, or both have a key of their own.
   */
  readonly holders?: 'other_branch' | 'other_key';
  readonly rejection?: VersionRejection;
}

export type RefreshDenial =
  | { readonly outcome: 'wait'; readonly reason: WaitReason; readonly retryAfterSeconds: number }
  | ({ readonly outcome: 'refuse'; readonly reason: RefusalReason } & RefusalGrounds);

export type RefreshDecision = RefreshGrant | RefreshDenial;

/** How many lost generations of a session a recovery epoch makes good. */
const MAX_ADOPTED = 16;

/**
 * The decision table of the refresh, row by row, for a token that this system has sealed and whose session exists.
 * Reuse is checked before expiry: an expired replay is still evidence. The decision has no effects.
 *
 * In a recovery epoch the row may be older than the token, since commits were lost: then the token is adopted. A token at or
 * just behind the row's place, but of another digest, is of another branch of the session, so somebody has a copy.
 */
export function decideRefresh(presented: Presentation, facts: RefreshFacts, rules: ReplayRules): RefreshDecision {
  const { session, floors, user, now, recoveryUntil } = facts;
  const behind = session.generation - presented.generation;
  const recovering = recoveryUntil !== null && now < recoveryUntil;
  const adoptable = behind >= -MAX_ADOPTED;

  if (presented.delivery !== session.delivery) return refuse('token_invalid');
  // A stolen token of a bound session is worth nothing, and proves nothing: an honest client may have lost its key.
  if (session.binding !== null && !presented.isProven) return refuse('proof_required');
  if (behind < 0 && !(recovering && adoptable)) {
    return refuse('token_invalid', { forgery: 'generation_ahead', ...(adoptable && { adoptable }) });
  }
  if (session.globalVersionAtIssuance > floors.globalMinTokenVersion) {
    return refuse('token_invalid', { forgery: 'stamp_above_policy' });
  }
  const differs = behind === 0 && !same(presented.digest, session.tokenHash);
  if (differs && !recovering) return refuse('token_invalid', { forgery: 'digest_differs' });
  // Before reuse, or every old token of a user who has logged out everywhere would be a theft alarm.
  if (session.revokedAt !== null || session.tokenVersion < floors.endedBelow) {
    return refuse('token_revoked', { ended: session.revokedReason ?? floors.endedReason });
  }
  if (differs) return OTHER_BRANCH;
  if (behind === 1 && !same(presented.digest, session.previousTokenHash)) {
    return recovering ? OTHER_BRANCH : refuse('token_invalid', { forgery: 'digest_differs' });
  }

  const way = wayOf(behind, presented, facts, rules);
  if (way.outcome === 'wait' || way.outcome === 'refuse') return way;

  if (now >= session.expiresAt || now >= session.absoluteExpiresAt) return refuse('token_expired');
  if (user === null) return refuse('user_not_found');
  const rejection = rejectionOf(session, floors, now);
  if (rejection !== null) return refuse('token_version_rejected', { revoke: 'token_version_rejected', rejection });
  if (!user.isActive) return refuse('user_inactive', { revoke: 'user_deactivated' });
  return { ...way, user };
}

const refuse = (reason: RefusalReason, grounds: RefusalGrounds = {}): RefreshDenial => ({
  outcome: 'refuse',
  reason,
  ...grounds,
});

const ROTATE = { outcome: 'rotate' } as const;
const REUSE = refuse('token_revoked', { revoke: 'reuse_detected' });
const OTHER_BRANCH = refuse('token_revoked', { revoke: 'reuse_detected', holders: 'other_branch' });

type Way =
  | { readonly outcome: 'rotate'; readonly adoptedAhead?: number }
  | { readonly outcome: 'replay'; readonly door: ReplayDoor }
  | RefreshDenial;

function wayOf(behind: number, presented: Presentation, facts: RefreshFacts, rules: ReplayRules): Way {
  if (behind < 0) return { outcome: 'rotate', adoptedAhead: -behind };
  if (behind === 0) return ROTATE;
  return behind === 1 ? wayOfPredecessor(presented, facts, rules) : REUSE;
}

/** The immediate predecessor, genuine: an honest retry, or a thief one step behind? */
function wayOfPredecessor({ retryKeyHash }: Presentation, { session, now }: RefreshFacts, rules: ReplayRules): Way {
  // The key of the device proves a retry at any time, so there is neither a window nor a retry key.
  if (session.binding !== null) return { outcome: 'replay', door: 'bound' };
  const { keyed, rotatedAt, replayCount } = session;
  const age = rotatedAt === null ? Infinity : now.getTime() - rotatedAt.getTime();
  // Not before the rotation either: a clock that steps back opens nothing.
  const inWindow = age >= 0 && age < rules.replayWindowSeconds * 1000;

  if (rules.retryKeys && keyed) {
    if (retryKeyHash !== null && same(retryKeyHash, session.retryKeyHash)) return { outcome: 'replay', door: 'key' };
    return inWindow ? { outcome: 'wait', reason: 'replay_refused', retryAfterSeconds: 1 } : REUSE;
  }
  if (!inWindow) return REUSE;
  // One second, not the rest of the window: a client that waits that long returns as a reuse.
  if (replayCount >= rules.maxReplays) return { outcome: 'wait', reason: 'too_many_replays', retryAfterSeconds: 1 };
  return { outcome: 'replay', door: 'window' };
}

const same = (presented: Buffer, stored: Buffer | null): boolean =>
  stored !== null && presented.length === stored.length && timingSafeEqual(presented, stored);
