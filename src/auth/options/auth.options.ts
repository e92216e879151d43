import type { AccessTokenKey } from '../domain/access-token-key';
import type { RefreshTokenRootKey } from '../domain/refresh-token';

/** The names of the rate limits. Only `maxReplays` bounds the replays within the window. */
export const LIMIT_NAMES = [
  'loginPerAccount',
  'loginAnywhere',
  'loginPerIp',
  'refreshPerSession',
  'refreshPerUser',
  'invalidPerIp',
  'logoutPerSession',
  'logoutPerIp',
  'registerPerIp',
  'listPerUser',
] as const;

/** One of {@link LIMIT_NAMES}. */
export type LimitName = (typeof LIMIT_NAMES)[number];

/** At most `points` requests in `seconds`, both whole numbers from 1; `seconds` at most 24 days. */
export interface Limit {
  readonly points: number;
  readonly seconds: number;
}

/** A service that may introspect tokens and follow the revocations, by HTTP Basic (RFC 7617). */
export interface ResourceServer {
  /** The user of HTTP Basic. */
  readonly name: string;
  /** 32 to 256 letters, digits, dots, dashes, underscores or tildes, such as `openssl rand -hex 32` prints. */
  readonly secret: string;
}

/** A Redis at `url`, or the master that sentinels name. */
export interface RedisSettings {
  /** `redis://` or `rediss://`. With `sentinels`, its host and port have no meaning: the rest (TLS, user, password, database) has. */
  readonly url?: string | undefined;
  /** In front of every key. */
  readonly prefix: string;
  /** `host:port` each; with TLS as `url` has it, and without a password. */
  readonly sentinels?: readonly string[] | undefined;
  /** The name under which the sentinels know the master. */
  readonly master?: string | undefined;
}

/** The options that a host sets. An abstract class, so that it is its own injection token. */
export abstract class AuthOptions {
  /** The first key signs, every key verifies, each by its own algorithm. */
  abstract readonly accessTokenKeys: readonly AccessTokenKey[];
  /** The claim `iss`, a non-empty string; with `oauth` the URL of the application, without a final slash (RFC 8414 section 2). */
  abstract readonly accessTokenIssuer: string;
  /** The claim `aud`, a non-empty string. */
  abstract readonly accessTokenAudience: string;
  /** The lifetime of an access token in seconds; also the longest that the guard grants, whatever a token says. */
  abstract readonly accessTokenTtlSeconds: number;
  /** The first key issues, every key verifies and re-derives. */
  abstract readonly refreshTokenKeys: readonly RefreshTokenRootKey[];
  /** The idle limit of a session in seconds. Each rotation extends it (ASVS 5.0 7.3.1). */
  abstract readonly refreshTokenTtlSeconds: number;
  /** The absolute limit of a session in seconds from login, which nothing extends (ASVS 5.0 10.4.8). */
  abstract readonly sessionAbsoluteTtlSeconds: number;
  /** How long after a refresh the predecessor is accepted again without proof, in seconds; 0: never. */
  abstract readonly replayWindowSeconds: number;
  /** How many times the predecessor is accepted within that window. */
  abstract readonly maxReplays: number;
  /** Whether the `Idempotency-Key` of a refresh allows its retry until the successor is used. */
  abstract readonly retryKeys: boolean;
  /**
   * How old, in seconds, the last proof of an administrator may be for a change by auth's routes (ASVS 5.0 7.5.3); null: no limit.
   * Reading has none.
   */
  abstract readonly adminReauthentication: number | null;
  /** The same for users who end sessions of their own (ASVS 5.0 7.5.2). `POST /auth/logout` has no limit. */
  abstract readonly sessionReauthentication: number | null;
  /**
   * Whether a `DPoP` header at the opening of a session binds its refresh tokens to the key of the proof (RFC 9449). Sessions that
   * are bound stay bound, also with `off`. Without a `publicOrigin`, no session is bound. `all` binds access tokens as well: guards
   * demand a proof for each request. `required` also refuses sign-ins with body delivery that have no proof.
   */
  abstract readonly dpop: 'off' | 'refresh' | 'all' | 'required';
  /**
   * Whether the answer to a sign-in by cookie asks the browser to bind the session to the device (Device Bound Session Credentials,
   * a draft of the W3C; experimental). Sessions that are bound stay bound, also with `off`. It requires secure cookies, a public
   * origin, and access tokens that last five minutes or more: the bound cookie is one.
   */
  abstract readonly dbsc: 'off' | 'on';
  /** What a reuse ends: its session (RFC 9700 section 4.14.2), or every session of the user. */
  abstract readonly reuseScope: 'session' | 'user';
  /** After this many reuses within 24 hours, all of the user's sessions end. */
  abstract readonly reuseEscalationThreshold: number;
  /** Whether access tokens contain the user's e-mail. */
  abstract readonly emailClaim: boolean;
  /** Whether the `code` of a refused refresh is its reason; the audit trail always contains the reason. */
  abstract readonly exposeRefusalReason: boolean;
  /** How long an answer may wait for its record, in milliseconds. */
  abstract readonly auditDeadlineMs: number;
  /**
   * Whether the guard learns of revocations: by reading them once a second, and by hints. Without it the guard answers 503.
   * Switch it off in processes that guard nothing, such as a command line.
   */
  abstract readonly watchRevocations: boolean;
  /** How old the guard's view of revocations may grow before it answers 503, in seconds. */
  abstract readonly maxStalenessSeconds: number;
  /** How old the guard's view may be to serve as the cache of the security policy for displays, in seconds. */
  abstract readonly securityCacheTtlSeconds: number;
  /** Redis for limits that all instances count together; null: each process counts on its own. */
  abstract readonly redis: RedisSettings | null;
  /** How many sessions a user may have; an extra one evicts the least recently used. 0: no limit. */
  abstract readonly maxSessionsPerUser: number;
  /** How long after its absolute limit a session is kept as evidence, in seconds. */
  abstract readonly sessionRetentionSeconds: number;
  /** After how long events are removed, as whole partitions of the log, in seconds; null keeps them. */
  abstract readonly auditRetentionSeconds: number | null;
  /** How often ended sessions are cleaned up, in seconds; 0: by command only. */
  abstract readonly cleanUpIntervalSeconds: number;
  /** Each rate limit; null: no limit. `loginAnywhere` delays logins, the others refuse. */
  abstract readonly limits: Readonly<Record<LimitName, Limit | null>>;
  /** How long a ticket to set a new password is valid, in seconds. */
  abstract readonly resetTicketTtlSeconds: number;
  /** The cost of a password hash, as a power of two. */
  abstract readonly bcryptCost: number;
  /** How many passwords may wait to be hashed or verified; beyond it the answer is 503. */
  abstract readonly hashQueueLimit: number;
  /**
   * The origin that browsers see, such as `https://app.example`. Without one (null), cookies are accepted only in requests
   * with `Sec-Fetch-Site: same-origin`.
   */
  abstract readonly publicOrigin: string | null;
  /** Other origins whose pages may refresh and log out by cookie. */
  abstract readonly corsOrigins: readonly string[];
  /** The name of the refresh cookie; null: `__Host-refresh`, with a path `__Secure-refresh`, without secureCookies `refresh`. */
  abstract readonly cookieName: string | null;
  /** `none`, for pages of other sites, makes the cookie `Partitioned`, too. */
  abstract readonly cookieSameSite: 'strict' | 'lax' | 'none';
  /** The path that browsers send the refresh cookie to, such as `/api/auth`. */
  abstract readonly cookiePath: string;
  /** Whether the refresh cookie is `__Host-refresh`, for https only; off for plain http on localhost. */
  abstract readonly secureCookies: boolean;
  /**
   * Whether OAuth's shapes of the routes are there, and access tokens have a `client_id` (RFC 9068). It decides which routes there
   * are: with `forRootAsync` it is given beside `useFactory`.
   */
  abstract readonly oauth: boolean;
  /** The id of the only client, which is public: it has no secret (RFC 6749 section 2.1). */
  abstract readonly oauthClientId: string;
  /** The services that may introspect tokens and follow the revocations; none: nobody may. */
  abstract readonly resourceServers: readonly ResourceServer[];
}

export const bindsAccessTokens = ({ dpop }: Pick<AuthOptions, 'dpop'>): boolean =>
  dpop === 'all' || dpop === 'required';
