import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import {
  AUTH_DEFAULTS,
  type AuthOptions,
  type GivenAuthOptions,
  type IncompleteAuthOptions,
  type Limit,
  optionProblems,
  passwordProblem,
  POSTGRES_URL,
  SCHEMA_NAME,
  withDefaults,
} from './auth';
import { normaliseEmail } from './users/email';

/** Everything that the environment decides, read once and frozen. Null: not configured. */
export interface Config {
  readonly environment: 'production' | 'development' | 'test';
  readonly production: boolean;
  readonly http: {
    readonly host: string;
    readonly port: number;
    /** Addresses and networks of the proxies in front, whose `X-Forwarded-For` is believed. */
    readonly trustProxy: readonly string[];
    readonly corsOrigins: readonly string[];
    readonly swaggerEnabled: boolean;
  };
  readonly database: {
    /** Null: the embedded PostgreSQL. */
    readonly url: string | null;
    readonly poolSize: number;
    readonly migrateOnStart: boolean;
    /** Of auth's tables, the application's own and TypeORM's. */
    readonly schema: string;
  };
  readonly auth: Readonly<AuthOptions>;
  readonly users: {
    readonly registrationEnabled: boolean;
    readonly bootstrapAdmin: { readonly email: string; readonly password: string } | null;
    readonly demoAccounts: boolean;
  };
  /** Null: `/metrics` is on the main port. */
  readonly metricsPort: number | null;
  readonly logLevel: (typeof LOG_LEVELS)[number];
}

/** The error of a start with bad settings: it names every wrong variable and its rule, never its value. */
export class InvalidConfiguration extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

/** What the command line needs of it. Keys may be missing: it issues and verifies nothing. */
export type CommandLineConfig = Pick<Config, 'environment' | 'database'> & { readonly auth: IncompleteAuthOptions };

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the environment of the application; this file is its only reader.
 * @param env the variables; by default the process's, completed by a `.env` file in the working folder
 * @param dataFolder where development keeps its generated keys
 * @throws InvalidConfiguration naming every problem at once
 */
export function loadConfig(env: Environment = processEnvironment(), dataFolder = '.data'): Config {
  const variables = new Variables(env);
  const { environment, database, conveniences } = readDatabase(variables);
  const production = environment === 'production';
  if (production)
    variables.demand(
      'DATABASE_URL',
      database.url !== null,
      'is required: the embedded database is for development, that is NODE_ENV=development or a loopback HOST without NODE_ENV',
    );

  const host = variables.read('HOST', hostName, conveniences ? '127.0.0.1' : '0.0.0.0');
  const port = variables.read('PORT', whole(0, 65_535), 3000);
  const given = readAuthOptions(
    variables,
    { exposeRefusalReason: !production, publicOrigin: originOf(host, port), schema: database.schema },
    (name) => (conveniences ? keptRing(join(dataFolder, 'keys'), name) : undefined),
  );
  const auth = withDefaults({ ...given, secureCookies: production || given.publicOrigin?.startsWith('https:') });
  if (production) {
    variables.demand('ACCESS_TOKEN_KEYS', !given.accessTokenKeys?.some(({ secret }) => repeats(secret)), NOT_RANDOM);
    variables.demand('REFRESH_TOKEN_KEYS', !given.refreshTokenKeys?.some(({ root }) => repeats(root)), NOT_RANDOM);
    const origin = variables.text('PUBLIC_ORIGIN');
    variables.demand('PUBLIC_ORIGIN', origin !== undefined, 'is required, such as https://app.example');
    variables.demand('ACCESS_TOKEN_TTL', auth.accessTokenTtlSeconds <= HOUR, 'must be at most 1h in production');
    variables.demand('BCRYPT_COST', auth.bcryptCost >= 10, 'must be at least 10 in production');
  }
  demandUsable(variables, auth, true);

  const metricsPort = variables.read('METRICS_PORT', whole(0, 65_535), null);
  variables.demand('METRICS_PORT', metricsPort !== port || port === 0, 'must be another port than PORT');
  const [email, password] = ['BOOTSTRAP_ADMIN_EMAIL', 'BOOTSTRAP_ADMIN_PASSWORD'] as const;
  const adminEmail = variables.read(email, emailAddress, null);
  const adminPassword = variables.read(password, goodPassword, null);
  const bothOrNeither = (variables.text(email) === undefined) === (variables.text(password) === undefined);
  variables.demand(`${email} and ${password}`, bothOrNeither, 'must be set together');

  const config: Config = {
    environment,
    production,
    http: {
      host,
      port,
      trustProxy: variables.read('TRUST_PROXY', proxies, []),
      corsOrigins: auth.corsOrigins,
      swaggerEnabled: variables.read('SWAGGER_ENABLED', flag, !production),
    },
    database,
    auth: auth as AuthOptions,
    users: {
      registrationEnabled: variables.read('REGISTRATION_ENABLED', flag, true),
      bootstrapAdmin:
        adminEmail === null || adminPassword === null ? null : { email: adminEmail, password: adminPassword },
      demoAccounts: conveniences,
    },
    metricsPort,
    logLevel: variables.read('LOG_LEVEL', logLevel, 'info'),
  };
  variables.throwProblems();
  return deepFreeze(config);
}

/**
 * Reads what the command line needs, in the application's environment or in that of a host, which knows other names than
 * ours: what is set must be usable, and nothing has to be set.
 * @throws InvalidConfiguration naming every problem at once
 */
export function loadCommandLineConfig(
  env: Environment = processEnvironment(),
  dataFolder = '.data',
): CommandLineConfig {
  const variables = new Variables(env);
  const { environment, database, conveniences } = readDatabase(variables);
  const given = readAuthOptions(variables, { schema: database.schema }, (name) => {
    const folder = join(dataFolder, 'keys');
    return conveniences && existsSync(join(folder, name.toLowerCase())) ? keptRing(folder, name) : undefined;
  });
  const auth = withDefaults(given);
  demandUsable(variables, auth, false);
  variables.throwProblems();
  return { environment, database, auth };
}

/** The variables, and what is wrong with them. Of each the first problem counts: a second mostly follows from it. */
class Variables {
  private readonly problems = new Map<string, string>();

  constructor(private readonly env: Environment) {}

  /** The raw text. A variable that is present and empty is a mistake: of a secret that was not mounted, say. */
  text(name: string): string | undefined {
    const written = this.env[name]?.trim();
    this.demand(name, written !== '', 'must not be empty: remove it to use the default');
    return written === '' ? undefined : written;
  }

  /** The value; `fallback` where the variable is unset, or is not what it must be. */
  read<T, F>(name: string, { words, read }: Reading<T>, fallback: F, written = this.text(name)): T | F {
    if (written === undefined) return fallback;
    const value = read(written);
    this.demand(name, !written.includes(PLACEHOLDER), 'still holds the placeholder of .env.example');
    this.demand(name, value !== undefined, words);
    return value === undefined ? fallback : value;
  }

  demand(name: string, holds: boolean, rule: string): void {
    if (!holds && !this.problems.has(name)) this.problems.set(name, rule);
  }

  throwProblems(): void {
    if (this.problems.size > 0) throw new InvalidConfiguration([...this.problems].map((problem) => problem.join(' ')));
  }
}

function readDatabase(variables: Variables) {
  const url = variables.read('DATABASE_URL', postgresUrl, null);
  const embedded = variables.text('DATABASE_URL') === undefined;
  const isLocal = LOOPBACK.includes(variables.text('HOST') ?? '127.0.0.1');
  const environment = environmentOf(variables.text('NODE_ENV'), embedded && isLocal);
  return {
    environment,
    database: {
      url,
      poolSize: variables.read('DATABASE_POOL_SIZE', whole(2, 1000), 10),
      migrateOnStart: variables.read('MIGRATE_ON_START', flag, true),
      schema: variables.read('DATABASE_SCHEMA', schemaName, AUTH_DEFAULTS.schema),
    },
    // Generated keys, demo accounts and the loopback default go with the throw-away database, never with a real one.
    conveniences: embedded && environment !== 'production',
  };
}

/** Auth's options as far as they are set, over `defaults`; `kept` has the key rings that are not. Not yet checked. */
function readAuthOptions(
  variables: Variables,
  defaults: Partial<GivenAuthOptions>,
  kept: (name: string) => string | undefined,
): Partial<GivenAuthOptions> {
  const given: Record<string, unknown> = { accessTokenIssuer: 'ratchet', accessTokenAudience: 'ratchet', ...defaults };
  const groups: Record<string, Record<string, unknown>> = { limits: {}, redis: { prefix: 'ratchet:' } };
  for (const [option, [name, reading]] of Object.entries(AUTH_VARIABLES)) {
    const written = variables.text(name) ?? (name in KEPT_IDS ? kept(name) : undefined);
    const value = variables.read(name, reading, undefined, written);
    if (value === undefined) continue;
    const [group = '', part] = option.split('.');
    if (part === undefined) given[option] = value;
    else (groups[group] ??= {})[part] = value;
  }
  if (groups.redis?.url === undefined) delete groups.redis;
  return { ...given, ...groups };
}

/** Auth's rules, in the names of the environment. An option that is missing is a problem only where it is `required`. */
function demandUsable(variables: Variables, auth: IncompleteAuthOptions, required: boolean): void {
  const nameOf = (option: string): string => AUTH_VARIABLES[option]?.[0] ?? option;
  for (const { option, rule } of optionProblems(auth)) {
    const missing = (option === 'accessTokenKeys' || option === 'refreshTokenKeys') && auth[option] === undefined;
    if (missing && !required) continue;
    const words = rule.replace(/\w+/g, nameOf);
    variables.demand(nameOf(option), false, missing ? `is required and ${words}` : words);
  }
}

/** What is set already wins over the file. */
function processEnvironment(): Environment {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return process.env;
}

const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

/**
 * Without a name it is development only with the embedded database and on this machine alone: demo accounts, whose
 * passwords are public, are for a network only where somebody has said so.
 */
function environmentOf(name: string | undefined, isOwn: boolean): Config['environment'] {
  if (name === 'development' || name === 'test') return name;
  return name === undefined && isOwn ? 'development' : 'production';
}

/** What `.env.example` holds where only the operator knows the value. Refused everywhere. */
const PLACEHOLDER = 'change-me';
const NOT_RANDOM = 'must be random bytes, such as `openssl rand -base64 32` prints';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: MINUTE, h: HOUR, d: DAY };
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** How a text becomes a value. `words` are the rule that a problem quotes, so that no message can quote the value. */
export interface Reading<T> {
  readonly words: string;
  /** Undefined for a text that breaks the rule. */
  readonly read: (written: string) => T | undefined;
}

const matching = <T>(pattern: RegExp, words: string, valueOf: (written: string) => T): Reading<T> => ({
  words,
  read: (written) => (pattern.test(written) ? valueOf(written) : undefined),
});
/** A text that is the value itself. */
const checked = (holds: (written: string) => boolean, words: string): Reading<string> => ({
  words,
  read: (written) => (holds(written) ? written : undefined),
});
const within = ({ words, read }: Reading<number>, min: number, max: number, unit = ''): Reading<number> => ({
  words: `${words} from ${min}${unit} to ${max}${unit}`,
  read: (written) => {
    const value = read(written) ?? NaN;
    return value >= min && value <= max ? value : undefined;
  },
});
const list = <T>({ words, read }: Reading<T>): Reading<T[]> => ({
  words: `${words}, comma separated`,
  read: (written) => {
    const items = written.split(',').map((item) => read(item.trim()));
    return items.includes(undefined) ? undefined : (items as T[]);
  },
});

const SPAN = /^(\d+[smhd]|0)$/;
const SPAN_WORDS = 'must be a duration such as 10s, 15m, 1h or 7d';
const secondsOf = (written: string): number => Number.parseInt(written, 10) * (SECONDS[written.slice(-1)] ?? 1);

function limitOf(written: string): Limit | null {
  const [points = '', seconds = ''] = written.split('/');
  return written === '0' ? null : { points: Number(points), seconds: secondsOf(seconds) };
}

const text = checked(() => true, '');
const flag = matching(/^(true|false)$/, 'must be true or false', (written) => written === 'true');
const number = matching(/^\d+$/, 'must be a whole number', Number);
const span = matching(SPAN, SPAN_WORDS, secondsOf);
const milliseconds = matching(SPAN, SPAN_WORDS, (written) => secondsOf(written) * 1000);
const limit = matching(/^(\d+\/\d+[smhd]|0)$/, 'must be a limit such as 10/15m, or 0 for none', limitOf);
export const whole = (min: number, max: number): Reading<number> => within(number, min, max);
/** In seconds, also its limits. */
export const duration = (min: number, max: number): Reading<number> => within(span, min, max, 's');

const logLevel: Reading<Config['logLevel']> = {
  words: `must be one of ${LOG_LEVELS.join(', ')}`,
  read: (written) => LOG_LEVELS.find((level) => level === written),
};
const postgresUrl = checked(POSTGRES_URL.holds, POSTGRES_URL.words);
const schemaName = checked(SCHEMA_NAME.holds, SCHEMA_NAME.words);
const emailAddress = checked((written) => normaliseEmail(written) !== null, 'must be an e-mail address');
const goodPassword = checked(
  (written) => passwordProblem(written) === null,
  'must have 8 to 64 characters and at most 72 bytes, and be none of the most common ones',
);
const hostName = checked(
  (name) => /^[\w.:-]+$/.test(name) && URL.canParse(addressOf(name, 0)),
  'must be an address or a host name',
);
const proxies = list(checked(isNetwork, 'must be addresses or networks such as 10.0.0.0/8, never true'));

/** A network of /0 would trust every client: any of them could claim any address. */
function isNetwork(written: string): boolean {
  const [address = '', bits = '1', ...more] = written.split('/');
  const most = { 4: 32, 6: 128 }[isIP(address)] ?? 0;
  return more.length === 0 && /^[1-9]\d*$/.test(bits) && Number(bits) <= most;
}

/** `id:base64` each; the bytes are base64 to the letter, in either alphabet. */
const keys = <Key>(word: string, id: RegExp, keyOf: (id: string, bytes: Buffer) => Key): Reading<Key[]> =>
  list({
    words: `must be ${word}:base64 keys`,
    read: (written) => {
      const [, name = '', base64 = ''] = /^([^:]+):([^:=]+)=*$/.exec(written) ?? [];
      const bytes = Buffer.from(base64, 'base64');
      const spellings = [bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url')];
      return id.test(name) && spellings.includes(base64) ? keyOf(name, bytes) : undefined;
    },
  });
const accessKeys = keys('kid', /./, (kid, secret) => ({ kid, secret }));
const refreshKeys = keys('id', /^(0|[1-9]\d*)$/, (id, root) => ({ id: Number(id), root }));

/** The variable of each of auth's options, and how its text is read. What the value must be, auth says. */
const AUTH_VARIABLES: Readonly<Record<string, readonly [name: string, reading: Reading<unknown>]>> = {
  accessTokenKeys: ['ACCESS_TOKEN_KEYS', accessKeys],
  refreshTokenKeys: ['REFRESH_TOKEN_KEYS', refreshKeys],
  publicOrigin: ['PUBLIC_ORIGIN', text],
  corsOrigins: ['CORS_ORIGINS', list(text)],
  cookieName: ['COOKIE_NAME', text],
  cookieSameSite: ['COOKIE_SAME_SITE', text],
  cookiePath: ['COOKIE_PATH', text],
  accessTokenIssuer: ['ACCESS_TOKEN_ISSUER', text],
  accessTokenAudience: ['ACCESS_TOKEN_AUDIENCE', text],
  accessTokenTtlSeconds: ['ACCESS_TOKEN_TTL', span],
  refreshTokenTtlSeconds: ['REFRESH_TOKEN_TTL', span],
  sessionAbsoluteTtlSeconds: ['SESSION_ABSOLUTE_TTL', span],
  replayWindowSeconds: ['REFRESH_REPLAY_WINDOW', span],
  maxReplays: ['REFRESH_MAX_REPLAYS', number],
  retryKeys: ['REFRESH_RETRY_KEYS', flag],
  reuseScope: ['REUSE_SCOPE', text],
  reuseEscalationThreshold: ['REUSE_ESCALATION_THRESHOLD', number],
  exposeRefusalReason: ['EXPOSE_REFUSAL_REASON', flag],
  auditDeadlineMs: ['AUDIT_DEADLINE', milliseconds],
  bcryptCost: ['BCRYPT_COST', number],
  hashQueueLimit: ['HASH_QUEUE_LIMIT', number],
  preparedStatements: ['DATABASE_PREPARED_STATEMENTS', flag],
  maxStalenessSeconds: ['REVOCATION_MAX_STALENESS', span],
  revocationNotify: ['REVOCATION_NOTIFY', text],
  listenUrl: ['DATABASE_LISTEN_URL', text],
  maxSessionsPerUser: ['MAX_SESSIONS_PER_USER', number],
  sessionRetentionSeconds: ['SESSION_RETENTION', span],
  auditRetentionSeconds: ['AUDIT_RETENTION', span],
  cleanUpIntervalSeconds: ['CLEANUP_INTERVAL', span],
  securityCacheTtlSeconds: ['SECURITY_CACHE_TTL', span],
  'limits.loginPerAccount': ['LIMIT_LOGIN_PER_ACCOUNT', limit],
  'limits.loginPerIp': ['LIMIT_LOGIN_PER_IP', limit],
  'limits.refreshPerSession': ['LIMIT_REFRESH_PER_SESSION', limit],
  'limits.invalidPerIp': ['LIMIT_INVALID_PER_IP', limit],
  'limits.registerPerIp': ['LIMIT_REGISTER_PER_IP', limit],
  'redis.url': ['REDIS_URL', text],
  'redis.prefix': ['REDIS_PREFIX', text],
};

/** The rings that development makes, and the id of the first key in them. */
const KEPT_IDS: Readonly<Record<string, string>> = { ACCESS_TOKEN_KEYS: 'dev', REFRESH_TOKEN_KEYS: '0' };

/** True for the keys that people type; 32 random bytes practically never have fewer than 8 distinct values. */
const repeats = (key: Uint8Array): boolean => new Set(key).size < 8;

const addressOf = (host: string, port: number): string => `http://${host.includes(':') ? `[${host}]` : host}:${port}`;

const originOf = (host: string, port: number): string =>
  new URL(addressOf(host === '0.0.0.0' || host === '::' ? 'localhost' : host, port)).origin;

/** The key ring that development keeps in `folder`, made when there is none. Of two first starts one link succeeds. */
function keptRing(folder: string, name: string): string {
  const path = join(folder, name.toLowerCase());
  if (!existsSync(path)) {
    // The mode is for this folder alone: its parents hold the embedded database, which may run as another user.
    mkdirSync(join(folder, '..'), { recursive: true });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const draft = `${path}.${randomUUID()}`;
    writeFileSync(draft, `${KEPT_IDS[name] ?? ''}:${randomBytes(32).toString('base64')}\n`, {
      mode: 0o600,
      flag: 'wx',
    });
    try {
      linkSync(draft, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft);
    }
  }
  return readFileSync(path, 'utf8').trim();
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value) as unknown[]) {
    // Bytes cannot be frozen.
    if (typeof inner === 'object' && inner !== null && !ArrayBuffer.isView(inner)) deepFreeze(inner);
  }
  return Object.freeze(value);
}
