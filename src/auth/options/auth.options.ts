import type { RefreshTokenRootKey } from '../domain/refresh-token';

/** One key of the access-token ring; the first signs, every key verifies. */
export interface AccessTokenKey {
  readonly kid: string;
  /** At least 32 bytes (RFC 7518 section 3.2). */
  readonly secret: Uint8Array;
}

/** What is limited; the window's replays are bounded by `maxReplays` alone. */
export const LIMIT_NAMES = [
  'loginPerAccount',
  'loginPerIp',
  'refreshPerSession',
  'invalidPerIp',
  'registerPerIp',
] as const;

export type LimitName = (typeof LIMIT_NAMES)[number];

/** `points` in `seconds`. */
export interface Limit {
  readonly points: number;
  readonly seconds: number;
}

/** What the host decides. An abstract class, so that it is its own injection token. */
export abstract class AuthOptions {
  abstract readonly accessTokenKeys: readonly AccessTokenKey[];
  abstract readonly accessTokenIssuer: string;
  abstract readonly accessTokenAudience: string;
  /** Seconds; also the longest life that the guard grants, whatever a token says. */
  abstract readonly accessTokenTtlSeconds: number;
  /** The first key issues, every key verifies and re-derives. */
  abstract readonly refreshTokenKeys: readonly RefreshTokenRootKey[];
  /** The idle limit in seconds: moved forward by each rotation. */
  abstract readonly refreshTokenTtlSeconds: number;
  /** The limit that nothing moves, in seconds from login (ASVS 5.0 10.4.8). */
  abstract readonly sessionAbsoluteTtlSeconds: number;
  abstract readonly replayWindowSeconds: number;
  abstract readonly maxReplays: number;
  abstract readonly retryKeys: boolean;
  /** What a reuse ends: its session, or every session of the user. */
  abstract readonly reuseScope: 'session' | 'user';
  /** After this many reuses within 24 hours, all of the user's sessions end. */
  abstract readonly reuseEscalationThreshold: number;
  /** Puts the user's e-mail into access tokens. */
  abstract readonly emailClaim: boolean;
  /** Whether a refusal's `code` tells its reason; the audit trail always does. */
  abstract readonly exposeRefusalReason: boolean;
  /** How long an answer may wait for its record, in milliseconds. */
  abstract readonly auditDeadlineMs: number;
  /**
   * Whether the guard learns of revocations: by reading them once a second, and by hints. Without it the guard answers 503;
   * for processes that guard nothing, such as a command line.
   */
  abstract readonly watchRevocations: boolean;
  /** How old the guard's view of revocations may grow before it answers 503, in seconds. */
  abstract readonly maxStalenessSeconds: number;
  /** Whether commits hint at once to the other instances; without hints they look once a second. */
  abstract readonly revocationNotify: 'postgres' | 'none';
  /** Where to listen for hints, when that is not the pool's server (a PgBouncer, say). */
  abstract readonly listenUrl: string | null;
  /** How old the guard's view may be to serve as the cache of the security policy for those who display it, in seconds. */
  abstract readonly securityCacheTtlSeconds: number;
  /** Redis for limits that all instances count together; null: each process counts on its own. */
  abstract readonly redis: { readonly url: string; readonly prefix: string } | null;
  /** How many sessions a user may have; one more evicts the least recently used. 0: no limit. */
  abstract readonly maxSessionsPerUser: number;
  /** How long after its absolute limit a session is kept as evidence, in seconds. */
  abstract readonly sessionRetentionSeconds: number;
  /** After how long whole months of the event log are dropped, in seconds; null keeps them. */
  abstract readonly auditRetentionSeconds: number | null;
  /** How often ended sessions are cleaned up, in seconds; 0: by command only. */
  abstract readonly cleanUpIntervalSeconds: number;
  /** What is limited, and how; null: not at all. */
  abstract readonly limits: Readonly<Record<LimitName, Limit | null>>;
  abstract readonly bcryptCost: number;
  /** How many passwords may wait to be hashed or verified before the answer is 503. */
  abstract readonly hashQueueLimit: number;
  /**
   * The origin that browsers see, such as `https://app.example`. Without one (null), cookies count only in requests that
   * say `Sec-Fetch-Site: same-origin`.
   */
  abstract readonly publicOrigin: string | null;
  /** Origins beside it whose pages may refresh and log out by cookie. */
  abstract readonly corsOrigins: readonly string[];
  /** Whether the refresh cookie is `__Host-refresh`, for https only; off for plain http on localhost. */
  abstract readonly secureCookies: boolean;
  /** Named prepared statements on the refresh; off behind a transaction-mode PgBouncer. */
  abstract readonly preparedStatements: boolean;
}
