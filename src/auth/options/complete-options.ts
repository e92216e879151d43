import { type AuthOptions, type Limit, LIMIT_NAMES, type LimitName } from './auth.options';

type Needed = 'accessTokenKeys' | 'accessTokenIssuer' | 'accessTokenAudience' | 'refreshTokenKeys';
type Given<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** What a host gives: only what has no safe default is needed. {@link AUTH_DEFAULTS} has the rest. */
export type GivenAuthOptions = Pick<AuthOptions, Needed> &
  Given<Omit<AuthOptions, Needed | 'limits'>> & {
    /** Those that are not named keep their default; null lifts one. */
    readonly limits?: Given<AuthOptions['limits']> | undefined;
  };

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The protocol's own times and limits. They suit production: no reason is exposed, cookies need https. */
export const AUTH_DEFAULTS = {
  accessTokenTtlSeconds: 15 * MINUTE,
  refreshTokenTtlSeconds: 7 * DAY,
  sessionAbsoluteTtlSeconds: 30 * DAY,
  replayWindowSeconds: 10,
  maxReplays: 20,
  retryKeys: true,
  reuseScope: 'session',
  reuseEscalationThreshold: 2,
  emailClaim: false,
  exposeRefusalReason: false,
  auditDeadlineMs: 2000,
  watchRevocations: true,
  maxStalenessSeconds: 60,
  revocationNotify: 'postgres',
  listenUrl: null,
  securityCacheTtlSeconds: 60,
  redis: null,
  maxSessionsPerUser: 0,
  sessionRetentionSeconds: 30 * DAY,
  auditRetentionSeconds: null,
  cleanUpIntervalSeconds: HOUR,
  limits: {
    loginPerAccount: { points: 10, seconds: 15 * MINUTE },
    loginPerIp: { points: 100, seconds: 15 * MINUTE },
    refreshPerSession: { points: 30, seconds: 10 },
    invalidPerIp: { points: 60, seconds: MINUTE },
    registerPerIp: { points: 20, seconds: HOUR },
  },
  bcryptCost: 12,
  hashQueueLimit: 64,
  publicOrigin: null,
  corsOrigins: [],
  secureCookies: true,
  preparedStatements: true,
} as const satisfies Omit<AuthOptions, Needed>;

const EVER = 3650 * DAY;

/** A timer waits 24.8 days at most; with more it fires at once: a clean-up for ever, and a limit limits nothing. */
export const LONGEST_TIMER_SECONDS = 24 * DAY;

/** The smallest and the largest value of every number. */
export const AUTH_RANGES = {
  accessTokenTtlSeconds: [1, EVER],
  refreshTokenTtlSeconds: [1, EVER],
  sessionAbsoluteTtlSeconds: [1, EVER],
  replayWindowSeconds: [0, EVER],
  maxReplays: [0, 1_000_000],
  reuseEscalationThreshold: [1, 1_000_000],
  auditDeadlineMs: [1000, 60_000],
  // The next poll is a second later: with only one second, a healthy instance would refuse for a moment each time.
  maxStalenessSeconds: [2, EVER],
  securityCacheTtlSeconds: [1, EVER],
  maxSessionsPerUser: [0, 1_000_000],
  sessionRetentionSeconds: [1, EVER],
  auditRetentionSeconds: [1, EVER],
  cleanUpIntervalSeconds: [0, LONGEST_TIMER_SECONDS],
  bcryptCost: [4, 31],
  hashQueueLimit: [1, 100_000],
} satisfies Partial<Record<keyof AuthOptions, [min: number, max: number]>>;

/** What a key of either ring must be. */
export const KEY_RULES = {
  access: { id: /^[\w.-]{1,64}$/, minBytes: 32, maxBytes: 1024 },
  refresh: { maxId: 255, bytes: 32 },
} as const;

/** An origin as browsers send it: scheme, host and port, nothing behind them. */
export const isOrigin = (value: unknown): boolean =>
  typeof value === 'string' && /^https?:/.test(value) && URL.canParse(value) && new URL(value).origin === value;

/** The one error of a start with bad options: every option that is wrong, and its rule, never its value. */
export class InvalidAuthOptions extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The options of AuthModule are not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

/**
 * A host's options with the defaults in the gaps.
 * @throws InvalidAuthOptions naming every problem at once
 */
export function completeOptions(given: GivenAuthOptions): AuthOptions {
  const told = Object.entries(given).filter(([, value]) => value !== undefined);
  const options = {
    ...AUTH_DEFAULTS,
    ...(Object.fromEntries(told) as unknown as Pick<AuthOptions, keyof AuthOptions>),
  };
  const complete = {
    ...options,
    limits: { ...AUTH_DEFAULTS.limits, ...options.limits },
    // Where the absolute limit alone was shortened, it is the idle limit, too.
    refreshTokenTtlSeconds:
      given.refreshTokenTtlSeconds ?? Math.min(options.refreshTokenTtlSeconds, options.sessionAbsoluteTtlSeconds),
  };
  const problems = problemsOf(complete);
  if (problems.length > 0) throw new InvalidAuthOptions(problems);
  return complete;
}

function problemsOf(options: AuthOptions): string[] {
  const problems: string[] = [];
  const demand = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(problem);
  };

  demand(isRing(options.accessTokenKeys, isAccessKey, 'kid'), `accessTokenKeys ${ACCESS_KEYS_RULE}`);
  demand(isRing(options.refreshTokenKeys, isRefreshKey, 'id'), `refreshTokenKeys ${REFRESH_KEYS_RULE}`);
  for (const name of ['accessTokenIssuer', 'accessTokenAudience'] as const) {
    demand(isText(options[name]), `${name} must be a non-empty string`);
  }
  for (const [name, [min, max]] of Object.entries(AUTH_RANGES)) {
    const value: unknown = options[name as keyof typeof AUTH_RANGES];
    if (value === null && name === 'auditRetentionSeconds') continue;
    demand(isWhole(value, min, max), `${name} must be a whole number from ${min} to ${max}`);
  }
  demand(
    !(options.refreshTokenTtlSeconds > options.sessionAbsoluteTtlSeconds),
    'refreshTokenTtlSeconds must be at most sessionAbsoluteTtlSeconds, which nothing extends',
  );
  for (const name of FLAGS) demand(typeof options[name] === 'boolean', `${name} must be true or false`);
  demand(['session', 'user'].includes(options.reuseScope), "reuseScope must be 'session' or 'user'");
  demand(['postgres', 'none'].includes(options.revocationNotify), "revocationNotify must be 'postgres' or 'none'");
  demand(options.listenUrl === null || isText(options.listenUrl), 'listenUrl must be the URL of a PostgreSQL, or null');
  demand(
    options.redis === null || (isText(fieldsOf(options.redis).url) && isText(fieldsOf(options.redis).prefix)),
    'redis must have a url and a prefix, or be null',
  );
  demand(
    options.publicOrigin === null || isOrigin(options.publicOrigin),
    'publicOrigin must be an origin such as https://app.example, without a path, or null',
  );
  demand(
    Array.isArray(options.corsOrigins) && options.corsOrigins.every(isOrigin),
    'corsOrigins must be origins such as https://app.example; never *',
  );
  for (const name of LIMIT_NAMES) {
    demand(isLimit(options.limits[name]), `limits.${name} ${LIMIT_RULE}`);
  }
  const unknown = Object.keys(options).filter((name) => !KNOWN.has(name));
  const unknownLimits = Object.keys(options.limits).filter((name) => !LIMIT_NAMES.includes(name as LimitName));
  for (const name of [...unknown, ...unknownLimits.map((limit) => `limits.${limit}`)]) {
    problems.push(`${name} is not an option`);
  }
  return problems;
}

const ACCESS_KEYS_RULE = 'must be keys { kid, secret } with secrets of at least 32 bytes, each kid once';
const REFRESH_KEYS_RULE = 'must be keys { id, root } with roots of exactly 32 bytes, each id once and from 0 to 255';
const LIMIT_RULE = `must have whole points and seconds from 1, at most ${LONGEST_TIMER_SECONDS} seconds, or be null`;
const FLAGS = [
  'retryKeys',
  'emailClaim',
  'exposeRefusalReason',
  'secureCookies',
  'preparedStatements',
  'watchRevocations',
] as const;
const NEEDED = ['accessTokenKeys', 'accessTokenIssuer', 'accessTokenAudience', 'refreshTokenKeys'] as const;
const KNOWN: ReadonlySet<string> = new Set([...Object.keys(AUTH_DEFAULTS), ...NEEDED]);

const isText = (value: unknown): boolean => typeof value === 'string' && value.trim() !== '';
const isWhole = (value: unknown, min: number, max: number): boolean =>
  Number.isInteger(value) && Number(value) >= min && Number(value) <= max;
const isLimit = (limit: Limit | null): boolean =>
  limit === null ||
  (isWhole(fieldsOf(limit).points, 1, 1e9) && isWhole(fieldsOf(limit).seconds, 1, LONGEST_TIMER_SECONDS));

type Key = Readonly<Record<string, unknown>>;

/** Not every host is compiled: what should be an object may be anything. */
const fieldsOf = (value: unknown): Key => (typeof value === 'object' && value !== null ? (value as Key) : {});

const isAccessKey = ({ kid, secret }: Key): boolean =>
  typeof kid === 'string' &&
  KEY_RULES.access.id.test(kid) &&
  secret instanceof Uint8Array &&
  isWhole(secret.length, KEY_RULES.access.minBytes, KEY_RULES.access.maxBytes);

const isRefreshKey = ({ id, root }: Key): boolean =>
  isWhole(id, 0, KEY_RULES.refresh.maxId) && root instanceof Uint8Array && root.length === KEY_RULES.refresh.bytes;

function isRing(keys: unknown, isKey: (key: Key) => boolean, id: string): boolean {
  if (!Array.isArray(keys) || keys.length === 0) return false;
  const ring = keys.map(fieldsOf);
  return ring.every(isKey) && new Set(ring.map((key) => key[id])).size === ring.length;
}
