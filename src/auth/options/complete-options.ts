import { type AuthOptions, LIMIT_NAMES } from './auth.options';

type Needed = 'accessTokenKeys' | 'accessTokenIssuer' | 'accessTokenAudience' | 'refreshTokenKeys';
type Given<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** What a host gives: only what has no safe default is needed. {@link AUTH_DEFAULTS} has the rest. */
export type GivenAuthOptions = Pick<AuthOptions, Needed> &
  Given<Omit<AuthOptions, Needed | 'limits'>> & {
    /** Those that are not named keep their default; null lifts one. */
    readonly limits?: Given<AuthOptions['limits']> | undefined;
  };

/** With the defaults in the gaps, but not yet checked: what has no default may be missing. */
export type IncompleteAuthOptions = Partial<Pick<AuthOptions, Needed>> &
  Pick<AuthOptions, Exclude<keyof AuthOptions, Needed>>;

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const EVER = 3650 * DAY;

/** A timer waits 24.8 days at most; with more it fires at once: a clean-up for ever, and a limit limits nothing. */
const LONGEST_TIMER_SECONDS = 24 * DAY;

/** What a value must be: words that follow its name, and the test. Not every host is compiled: a value may be anything. */
export interface Rule {
  readonly words: string;
  readonly holds: (value: unknown) => boolean;
}

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});
const isWhole = (value: unknown, min: number, max: number): boolean =>
  Number.isInteger(value) && Number(value) >= min && Number(value) <= max;
const isBytes = (value: unknown, min: number, max: number): boolean =>
  value instanceof Uint8Array && isWhole(value.length, min, max);
/** An origin as browsers and the web views of applications send it: scheme, host and port of any scheme, compared as text. */
const isOrigin = (value: unknown): boolean =>
  typeof value === 'string' &&
  (/^https?:/.test(value)
    ? URL.canParse(value) && new URL(value).origin === value
    : /^[a-z][a-z\d+.-]*:\/\/[a-z\d._-]+(:\d+)?$/.test(value));

const matching = (pattern: RegExp, words: string): Rule => ({
  words,
  holds: (value) => typeof value === 'string' && pattern.test(value),
});
const whole = (min: number, max: number, what = 'a whole number'): Rule => ({
  words: `must be ${what} from ${min} to ${max}`,
  holds: (value) => isWhole(value, min, max),
});
const seconds = (min: number, max = EVER): Rule => whole(min, max, 'a whole number of seconds');
const oneOf = (...values: readonly string[]): Rule => ({
  words: `must be ${values.join(' or ')}`,
  holds: (value) => values.includes(value as string),
});
const orNull = ({ words, holds }: Rule): Rule => ({ words, holds: (value) => value === null || holds(value) });
const ORIGIN_WORDS =
  'such as https://app.example or capacitor://localhost, without a path or a final slash; never * or null';
const origin: Rule = { words: `must be an origin ${ORIGIN_WORDS}`, holds: isOrigin };
const origins: Rule = {
  words: `must be origins ${ORIGIN_WORDS}`,
  holds: (value) => Array.isArray(value) && value.every(isOrigin),
};
const ring = (id: string, isKey: (key: Fields) => boolean, words: string): Rule => ({
  words,
  holds: (keys) =>
    Array.isArray(keys) &&
    keys.length > 0 &&
    keys.map(fieldsOf).every(isKey) &&
    new Set(keys.map((key: unknown) => fieldsOf(key)[id])).size === keys.length,
});

const isKid = (value: unknown): boolean => typeof value === 'string' && /^[\w.-]{1,64}$/.test(value);

const text = matching(/\S/, 'must be a non-empty string');
const flag: Rule = { words: 'must be true or false', holds: (value) => typeof value === 'boolean' };

/** Not `URL`: the address of a Unix socket, `postgres:///name?host=/folder`, has no host. */
export const POSTGRES_URL: Rule = {
  words:
    'must be a URL that starts with postgres:// or postgresql:// and names one host: put HAProxy in front of several',
  holds: (value) => typeof value === 'string' && /^postgres(ql)?:\/\/./.test(value) && !namesSeveralHosts(value),
};

/** The driver would take the list for one name. A comma in the password is none in the list. */
function namesSeveralHosts(url: string): boolean {
  const [address = '', query = ''] = url.replace(/^\w+:\/\//, '').split('?', 2);
  const [authority = ''] = address.split('/', 1);
  return (
    authority.slice(authority.lastIndexOf('@') + 1).includes(',') ||
    new URLSearchParams(query).getAll('host').some((host) => host.includes(','))
  );
}

/** The schema of PostgreSQL that holds auth's tables. Short, since names of up to 63 characters hold it; `pg_` is PostgreSQL's. */
export const SCHEMA_NAME = matching(
  /^(?!pg_)[a-z_][a-z0-9_]{0,30}$/,
  'must be a schema name: a lower-case letter or underscore, then up to 30 lower-case letters, digits and underscores, not pg_…',
);
export const DEFAULT_SCHEMA = 'ratchet';

const limit: Rule = {
  words: `must be whole points, at least 1, in whole seconds from 1 to ${LONGEST_TIMER_SECONDS}`,
  holds: (value) =>
    isWhole(fieldsOf(value).points, 1, 1e9) && isWhole(fieldsOf(value).seconds, 1, LONGEST_TIMER_SECONDS),
};

/** What has no safe default. */
const NEEDED: Readonly<Record<Needed, Rule>> = {
  accessTokenKeys: ring(
    'kid',
    ({ kid, secret }) => isKid(kid) && isBytes(secret, 32, 1024),
    'must be keys with a kid of up to 64 letters, digits, dots, dashes or underscores, no kid twice, and a secret of at least 32 bytes',
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
  reuseScope: ['session', oneOf('session', 'user')],
  reuseEscalationThreshold: [2, whole(1, 1_000_000)],
  emailClaim: [false, flag],
  exposeRefusalReason: [false, flag],
  auditDeadlineMs: [2000, whole(1000, 60_000, 'a whole number of milliseconds')],
  watchRevocations: [true, flag],
  // The next poll comes after a second: with one alone, a sound instance would refuse for a moment each time.
  maxStalenessSeconds: [60, seconds(2)],
  revocationNotify: ['postgres', oneOf('postgres', 'none')],
  listenUrl: [null, orNull(POSTGRES_URL)],
  securityCacheTtlSeconds: [60, seconds(1)],
  maxSessionsPerUser: [0, whole(0, 1_000_000)],
  sessionRetentionSeconds: [30 * DAY, seconds(1)],
  auditRetentionSeconds: [null, orNull(seconds(1))],
  cleanUpIntervalSeconds: [HOUR, seconds(0, LONGEST_TIMER_SECONDS)],
  bcryptCost: [12, whole(4, 31)],
  hashQueueLimit: [64, whole(1, 100_000)],
  publicOrigin: [null, orNull(origin)],
  corsOrigins: [[], origins],
  secureCookies: [true, flag],
  cookieName: [null, orNull(matching(/^[\w!#$%&'*+.^`|~-]{1,64}$/, 'must be a cookie name of at most 64 characters'))],
  cookieSameSite: ['strict', oneOf('strict', 'lax', 'none')],
  cookiePath: ['/', matching(/^\/[\w./~%-]*$/, 'must be a path that begins with /')],
  preparedStatements: [true, flag],
  schema: [DEFAULT_SCHEMA, SCHEMA_NAME],
};

/** The protocol's own times and limits. They suit production: no reason is exposed, cookies need https. */
export const AUTH_DEFAULTS: Pick<AuthOptions, Exclude<keyof AuthOptions, Needed>> = {
  ...(Object.fromEntries(Object.entries(OPTIONS).map(([name, [value]]) => [name, value])) as {
    [K in keyof typeof OPTIONS]: AuthOptions[K];
  }),
  redis: null,
  limits: {
    loginPerAccount: { points: 10, seconds: 15 * MINUTE },
    loginPerIp: { points: 100, seconds: 15 * MINUTE },
    refreshPerSession: { points: 30, seconds: 10 },
    invalidPerIp: { points: 60, seconds: MINUTE },
    registerPerIp: { points: 20, seconds: HOUR },
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
    holds: (value) => typeof value === 'string' && /^rediss?:\/\//.test(value) && URL.canParse(value),
  },
  prefix: text,
};

/** What is wrong with an option: its name, dotted where it is part of another, and words that follow it. */
export interface OptionProblem {
  readonly option: string;
  readonly rule: string;
}

/** The one error of a start with bad options: every option that is wrong, and its rule, never its value. */
export class InvalidAuthOptions extends Error {
  constructor(readonly problems: readonly OptionProblem[]) {
    super(
      `The options of AuthModule are not usable:\n${problems.map(({ option, rule }) => `  - ${option} ${rule}`).join('\n')}`,
    );
  }
}

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

/** Everything that is wrong with them. */
export function optionProblems({ limits, redis, ...flat }: IncompleteAuthOptions): OptionProblem[] {
  const problems = [
    ...broken(RULES, flat),
    ...broken(LIMIT_RULES, limits, 'limits.'),
    ...(redis === null ? [] : broken(REDIS_RULES, fieldsOf(redis), 'redis.')),
  ];
  if (flat.refreshTokenTtlSeconds > flat.sessionAbsoluteTtlSeconds) {
    const rule = 'must be at most sessionAbsoluteTtlSeconds, which nothing extends';
    problems.push({ option: 'refreshTokenTtlSeconds', rule });
  }
  problems.push(...cookieProblems(flat));
  return problems;
}

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
  demand(cookieSameSite !== 'none' || secureCookies, 'cookieSameSite', 'must not be none without secureCookies');
  return problems;
}

function broken(rules: Readonly<Record<string, Rule>>, values: object, group = ''): OptionProblem[] {
  const fields = fieldsOf(values);
  const wrong = Object.entries(rules).filter(([name, { holds }]) => !holds(fields[name]));
  const unknown = Object.keys(fields).filter((name) => !Object.hasOwn(rules, name));
  return [
    ...wrong.map(([name, { words }]) => ({ option: group + name, rule: words })),
    ...unknown.map((name) => ({ option: group + name, rule: 'is not an option' })),
  ];
}
