import { isHttpsOrLoopback } from '../../support/loopback';
import { accessTokenKeyProblems } from '../domain/access-token-key';
import { type AuthOptions, bindsAccessTokens, LIMIT_NAMES } from './auth.options';
import {
  broken,
  fieldsOf,
  type Fields,
  flag,
  type Given,
  InvalidAuthOptions,
  isWhole,
  matching,
  oneOf,
  type OptionProblem,
  orNull,
  type Rule,
  text,
  whole,
} from './rules';

type Needed = 'accessTokenKeys' | 'accessTokenIssuer' | 'accessTokenAudience' | 'refreshTokenKeys';

/**
 * What a host gives: only what has no safe default is required. {@link AUTH_DEFAULTS} has the rest.
 * @interface
 */
export type GivenAuthOptions = Pick<AuthOptions, Needed> &
  Given<Omit<AuthOptions, Needed | 'limits'>> & {
    /** Those that are not named keep their default; null lifts one. */
    readonly limits?: Given<AuthOptions['limits']> | undefined;
  };

/** With the defaults in the gaps, but not yet checked: what has no default may be missing. @internal */
export type IncompleteAuthOptions = Partial<Pick<AuthOptions, Needed>> &
  Pick<AuthOptions, Exclude<keyof AuthOptions, Needed>>;

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const EVER = 3650 * DAY;

/** A timer waits 24.8 days at most; with more it fires at once: a clean-up for ever, and a limit limits nothing. */
const LONGEST_TIMER_SECONDS = 24 * DAY;

const isBytes = (value: unknown, min: number, max: number): boolean =>
  value instanceof Uint8Array && isWhole(value.length, min, max);
/** An origin as browsers and the web views of applications send it: scheme, host and port of any scheme, compared as text. */
const isOrigin = (value: unknown): boolean =>
  typeof value === 'string' &&
  (/^https?:/.test(value)
    ? URL.canParse(value) && new URL(value).origin === value
    : /^[a-z][a-z\d+.-]*:\/\/[a-z\d._-]+(:\d+)?$/.test(value));

const seconds = (min: number, max = EVER): Rule => whole(min, max, 'a whole number of seconds');
const ORIGIN_WORDS =
  'such as https://app.example or capacitor://localhost, without a path or a final slash; never * or null';
const origin: Rule = { words: `must be an origin ${ORIGIN_WORDS}`, holds: isOrigin };
const origins: Rule = {
  words: `must be origins ${ORIGIN_WORDS}`,
  holds: (value) => Array.isArray(value) && value.every(isOrigin),
};
/** A list of objects, each with a value of its own in the field `id`. */
const distinct = (id: string, isOne: (one: Fields) => boolean, words: string): Rule => ({
  words,
  holds: (list) =>
    Array.isArray(list) &&
    list.map(fieldsOf).every(isOne) &&
    new Set(list.map((one: unknown) => fieldsOf(one)[id])).size === list.length,
});
const ring = (id: string, isKey: (key: Fields) => boolean, words: string): Rule => {
  const { holds } = distinct(id, isKey, words);
  return { words, holds: (keys) => Array.isArray(keys) && keys.length > 0 && holds(keys) };
};

const isKid = (value: unknown): boolean => typeof value === 'string' && /^[\w.-]{1,64}$/.test(value);

/** Characters that a client may percent-encode for HTTP Basic or leave as they are (RFC 6749 section 2.3.1). */
const isBasicSecret = (value: unknown): boolean => typeof value === 'string' && /^[\w.~-]{32,256}$/.test(value);

const limit: Rule = {
  words: `must be whole points, at least 1, in whole seconds from 1 to ${LONGEST_TIMER_SECONDS}`,
  holds: (value) =>
    isWhole(fieldsOf(value).points, 1, 1e9) && isWhole(fieldsOf(value).seconds, 1, LONGEST_TIMER_SECONDS),
};

const isHostAndPort = (value: unknown): boolean =>
  typeof value === 'string' &&
  /^([\w.-]+|\[[\da-f:.]+\]):\d{1,5}$/i.test(value) &&
  URL.canParse(`redis://${value}`) &&
  !value.endsWith(':0');

/** What has no safe default. */
const NEEDED: Readonly<Record<Needed, Rule>> = {
  accessTokenKeys: ring(
    'kid',
    ({ kid }) => isKid(kid),
    'must be keys with a kid of up to 64 letters, digits, dots, dashes or underscores, no kid twice, each a secret of 32 to 64 bytes, a private key or a public key',
  ),
  refreshTokenKeys: ring(
    'id',
    ({ id, root }) => isWhole(id, 0, 255) && isBytes(root, 32, 32),
    'must be keys with an id from 0 to 255, no id twice, and a root of exactly 32 bytes',
  ),
  accessTokenIssuer: text,
  accessTokenAudience: text,
};

/** The rest: what it is by default, and its rule. */
const OPTIONS: {
  readonly [K in Exclude<keyof AuthOptions, Needed | 'limits' | 'redis'>]: readonly [AuthOptions[K], Rule];
} = {
  accessTokenTtlSeconds: [15 * MINUTE, seconds(1)],
  refreshTokenTtlSeconds: [7 * DAY, seconds(1)],
  sessionAbsoluteTtlSeconds: [30 * DAY, seconds(1)],
  replayWindowSeconds: [10, seconds(0)],
  maxReplays: [20, whole(0, 1_000_000)],
  retryKeys: [true, flag],
  dpop: ['refresh', oneOf('off', 'refresh', 'all', 'required')],
  dbsc: ['off', oneOf('off', 'on')],
  adminReauthentication: [15 * MINUTE, orNull(seconds(1))],
  sessionReauthentication: [null, orNull(seconds(1))],
  reuseScope: ['session', oneOf('session', 'user')],
  reuseEscalationThreshold: [2, whole(1, 1_000_000)],
  emailClaim: [false, flag],
  exposeRefusalReason: [false, flag],
  auditDeadlineMs: [2000, whole(1000, 60_000, 'a whole number of milliseconds')],
  watchRevocations: [true, flag],
  // The next poll comes after a second: with one alone, a sound instance would refuse for a moment each time.
  maxStalenessSeconds: [60, seconds(2)],
  securityCacheTtlSeconds: [60, seconds(1)],
  maxSessionsPerUser: [100, whole(0, 1_000_000)],
  sessionRetentionSeconds: [30 * DAY, seconds(1)],
  auditRetentionSeconds: [null, orNull(seconds(1))],
  cleanUpIntervalSeconds: [HOUR, seconds(0, LONGEST_TIMER_SECONDS)],
  resetTicketTtlSeconds: [30 * MINUTE, seconds(1)],
  bcryptCost: [12, whole(4, 31)],
  hashQueueLimit: [64, whole(1, 100_000)],
  publicOrigin: [null, orNull(origin)],
  corsOrigins: [[], origins],
  secureCookies: [true, flag],
  cookieName: [null, orNull(matching(/^[\w!#$%&'*+.^`|~-]{1,64}$/, 'must be a cookie name of at most 64 characters'))],
  cookieSameSite: ['strict', oneOf('strict', 'lax', 'none')],
  oauth: [false, flag],
  oauthClientId: [
    'app',
    matching(/^[\w.~-]{1,64}$/, 'must be up to 64 letters, digits, dots, dashes, underscores or tildes'),
  ],
  resourceServers: [
    [],
    distinct(
      'name',
      ({ name, secret }) => isKid(name) && isBasicSecret(secret),
      'must be services with a name of up to 64 letters, digits, dots, dashes or underscores, no name twice, and a secret of 32 to 256 letters, digits, dots, dashes, underscores or tildes',
    ),
  ],
  cookiePath: ['/', matching(/^\/[\w./~%-]*$/, 'must be a path that begins with /')],
};

/** The protocol's own times and limits. They suit production: no reason is exposed, cookies need https. */
export const AUTH_DEFAULTS: Pick<AuthOptions, Exclude<keyof AuthOptions, Needed>> = {
  ...(Object.fromEntries(Object.entries(OPTIONS).map(([name, [value]]) => [name, value])) as {
    [K in keyof typeof OPTIONS]: AuthOptions[K];
  }),
  redis: null,
  limits: {
    loginPerAccount: { points: 10, seconds: 15 * MINUTE },
    loginAnywhere: { points: 100, seconds: HOUR },
    loginPerIp: { points: 100, seconds: 15 * MINUTE },
    refreshPerSession: { points: 30, seconds: 10 },
    refreshPerUser: { points: 600, seconds: MINUTE },
    invalidPerIp: { points: 60, seconds: MINUTE },
    logoutPerSession: { points: 10, seconds: MINUTE },
    logoutPerIp: { points: 60, seconds: MINUTE },
    registerPerIp: { points: 20, seconds: HOUR },
    listPerUser: { points: 60, seconds: MINUTE },
  },
};

const RULES: Readonly<Record<string, Rule>> = {
  ...NEEDED,
  ...Object.fromEntries(Object.entries(OPTIONS).map(([name, [, rule]]) => [name, rule])),
};
const LIMIT_RULES = Object.fromEntries(LIMIT_NAMES.map((name) => [name, orNull(limit)]));
const REDIS_RULES: Readonly<Record<string, Rule>> = {
  url: {
    words: 'must be a URL that starts with redis:// or rediss://',
    holds: (value) =>
      value === undefined || (typeof value === 'string' && /^rediss?:\/\//.test(value) && URL.canParse(value)),
  },
  prefix: text,
  sentinels: {
    words: 'must be addresses of sentinels, host:port each',
    holds: (value) => value === undefined || (Array.isArray(value) && value.length > 0 && value.every(isHostAndPort)),
  },
  master: { words: text.words, holds: (value) => value === undefined || text.holds(value) },
};

/**
 * A host's options with the defaults in the gaps.
 * @throws InvalidAuthOptions naming every problem at once
 */
export function completeOptions(given: GivenAuthOptions): AuthOptions {
  const complete = withDefaults(given);
  const problems = optionProblems(complete);
  if (problems.length > 0) throw new InvalidAuthOptions(problems);
  return complete as AuthOptions;
}

/** @internal */
export function withDefaults(given: Partial<GivenAuthOptions>): IncompleteAuthOptions {
  const told = Object.entries(given).filter(([, value]) => value !== undefined);
  const options = { ...AUTH_DEFAULTS, ...(Object.fromEntries(told) as Partial<IncompleteAuthOptions>) };
  return {
    ...options,
    limits: { ...AUTH_DEFAULTS.limits, ...options.limits },
    // Where the absolute limit alone was shortened, it is the idle limit, too.
    refreshTokenTtlSeconds:
      given.refreshTokenTtlSeconds ?? Math.min(options.refreshTokenTtlSeconds, options.sessionAbsoluteTtlSeconds),
  };
}

/** Everything that is wrong with them. @internal */
export function optionProblems({ limits, redis, ...flat }: IncompleteAuthOptions): OptionProblem[] {
  const problems = [
    ...keyProblems(flat.accessTokenKeys),
    ...broken(RULES, flat),
    ...broken(LIMIT_RULES, limits, 'limits.'),
    ...(redis === null ? [] : redisProblems(fieldsOf(redis))),
  ];
  if (flat.refreshTokenTtlSeconds > flat.sessionAbsoluteTtlSeconds) {
    const rule = 'must be at most sessionAbsoluteTtlSeconds, which nothing extends';
    problems.push({ option: 'refreshTokenTtlSeconds', rule });
  }
  const { oauth, accessTokenIssuer, publicOrigin } = flat;
  // An issuer by default is wrong where the public origin is: one problem, not two.
  const follows = accessTokenIssuer === publicOrigin && !isOrigin(publicOrigin);
  if (oauth && accessTokenIssuer !== undefined && !follows && !isIssuer(accessTokenIssuer)) {
    const rule =
      'must be an https URL (http on loopback) without a query, a fragment or a final slash while oauth is true, such as https://app.example';
    problems.push({ option: 'accessTokenIssuer', rule });
  }
  if (bindsAccessTokens(flat) && publicOrigin === null)
    problems.push({ option: 'publicOrigin', rule: 'must be given while dpop is all or required: proofs name it' });
  problems.push(...cookieProblems(flat), ...dbscProblems(flat));
  return problems;
}

/** Where clients find the rest (RFC 8414 section 2). They compare it as text, so it has one spelling. */
function isIssuer(issuer: string): boolean {
  if (!URL.canParse(issuer) || /[?#@]|\/$/.test(issuer)) return false;
  const url = new URL(issuer);
  return isHttpsOrLoopback(url) && (url.href === issuer || url.href === `${issuer}/`);
}

/** Of a ring that is one: what is wrong with each of its keys, by kid and in one rule. */
function keyProblems(keys: AuthOptions['accessTokenKeys'] | undefined): OptionProblem[] {
  const unusable = keys !== undefined && NEEDED.accessTokenKeys.holds(keys) ? accessTokenKeyProblems(keys) : [];
  return unusable.length === 0 ? [] : [{ option: 'accessTokenKeys', rule: `must be usable: ${unusable.join('; ')}` }];
}

function redisProblems(redis: Fields): OptionProblem[] {
  const problems = broken(REDIS_RULES, redis, 'redis.');
  const [sentinels, master] = [redis.sentinels !== undefined, redis.master !== undefined];
  if (sentinels && !master)
    problems.push({
      option: 'redis.sentinels',
      rule: 'must be set together with redis.master, the name of the master',
    });
  if (master && !sentinels)
    problems.push({ option: 'redis.master', rule: 'must be set together with redis.sentinels' });
  if (!sentinels && !master && redis.url === undefined)
    problems.push({ option: 'redis.url', rule: 'must be set, or redis.sentinels' });
  return problems;
}

/** How long a bound cookie lasts at least: the browser renews it when a request needs it. */
const BOUND_COOKIE_SECONDS = 5 * MINUTE;

function dbscProblems({
  dbsc,
  secureCookies,
  cookieSameSite,
  publicOrigin,
  accessTokenTtlSeconds,
}: Pick<
  AuthOptions,
  'dbsc' | 'secureCookies' | 'cookieSameSite' | 'publicOrigin' | 'accessTokenTtlSeconds'
>): OptionProblem[] {
  if (dbsc !== 'on') return [];
  const problems: OptionProblem[] = [];
  if (!secureCookies) problems.push({ option: 'dbsc', rule: 'must not be on without secureCookies' });
  if (cookieSameSite === 'none')
    problems.push({
      option: 'dbsc',
      rule: 'must not be on with cookieSameSite none: browsers bind no Partitioned cookie',
    });
  if (!/^https:/.test(publicOrigin ?? ''))
    problems.push({
      option: 'publicOrigin',
      rule: 'must begin with https: while dbsc is on: browsers bind nothing else',
    });
  if (accessTokenTtlSeconds < BOUND_COOKIE_SECONDS)
    problems.push({
      option: 'accessTokenTtlSeconds',
      rule: 'must be at least five minutes while dbsc is on: the bound cookie is the access token',
    });
  return problems;
}

/** Of sessions that the browser binds. */
const OTHER_COOKIES = ['__Host-access', '__Host-bound'];

/** What browsers would refuse without a word (RFC 6265bis sections 4.1.3 and 5.6). */
function cookieProblems(
  options: Pick<AuthOptions, `cookie${string}` & keyof AuthOptions> & Pick<AuthOptions, 'secureCookies'>,
) {
  const { cookieName, cookieSameSite, cookiePath, secureCookies } = options;
  const problems: OptionProblem[] = [];
  const demand = (holds: boolean, option: string, rule: string) => {
    if (!holds) problems.push({ option, rule });
  };
  const prefix = /^__(Host|Secure)-/i.exec(cookieName ?? '')?.[1]?.toLowerCase();
  demand(
    prefix === undefined || secureCookies,
    'cookieName',
    'must have no __Host- or __Secure- without secureCookies',
  );
  demand(prefix !== 'host' || cookiePath === '/', 'cookieName', 'must have no __Host- with a cookiePath other than /');
  demand(
    !OTHER_COOKIES.includes(cookieName ?? ''),
    'cookieName',
    'must be none of __Host-access and __Host-bound, which are other cookies',
  );
  demand(cookieSameSite !== 'none' || secureCookies, 'cookieSameSite', 'must not be none without secureCookies');
  return problems;
}
