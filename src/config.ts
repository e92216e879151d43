import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import {
  AUTH_DEFAULTS,
  AUTH_RANGES,
  type AuthOptions,
  isOrigin,
  KEY_RULES,
  type Limit,
  LONGEST_TIMER_SECONDS,
  passwordProblem,
} from './auth';
import { normaliseEmail } from './users';

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

/**
 * Reads the environment; this is its only reader.
 * @param env the variables; by default the process's, completed by a `.env` file in the working folder
 * @param dataFolder where development keeps its generated keys
 * @throws InvalidConfiguration naming every problem at once
 */
export function loadConfig(env: Environment = processEnvironment(), dataFolder = '.data'): Config {
  const problems: string[] = [];

  /** The raw text; a variable that is set to nothing is not set. */
  const raw = (name: string): string | undefined => env[name]?.trim() || undefined;

  /** The value; `fallback` where the variable is unset or breaks its rule, which is noted and fails the start. */
  const read = <T, F>(name: string, schema: z.ZodType<T, string>, fallback: F, written = raw(name)): T | F => {
    if (written === undefined) return fallback;
    const parsed = schema.safeParse(written);
    if (written.includes(PLACEHOLDER)) problems.push(`${name} still holds the placeholder of .env.example`);
    else if (!parsed.success) problems.push(`${name} ${schema.description}`);
    return parsed.success ? parsed.data : fallback;
  };
  const demand = (holds: boolean, problem: string): void => {
    if (!holds) problems.push(problem);
  };

  const number = (name: string, option: Ranged): number =>
    read(name, whole(...AUTH_RANGES[option]), AUTH_DEFAULTS[option]);
  const span = (name: string, option: Ranged): number =>
    read(name, duration(...AUTH_RANGES[option]), AUTH_DEFAULTS[option]);

  const databaseUrl = read('DATABASE_URL', postgresUrl, null);
  const embedded = raw('DATABASE_URL') === undefined;
  const environment = environmentOf(raw('NODE_ENV'), embedded);
  const production = environment === 'production';
  // Generated keys, demo accounts and the loopback default go with the throw-away database, never with a real one.
  const conveniences = embedded && !production;
  demand(!embedded || !production, 'DATABASE_URL is required: the embedded database is for development');

  const ring = <T>(name: string, schema: z.ZodType<T[], string>, firstId: string): T[] => {
    if (raw(name) === undefined && !conveniences) {
      problems.push(`${name} is required and ${schema.description}`);
      return [];
    }
    return read(name, schema, [], raw(name) ?? keptRing(join(dataFolder, 'keys'), name.toLowerCase(), firstId));
  };
  const accessTokenKeys = ring('ACCESS_TOKEN_KEYS', accessKeys, 'dev');
  const refreshTokenKeys = ring('REFRESH_TOKEN_KEYS', refreshKeys, '0');
  if (production) {
    demand(!accessTokenKeys.some((key) => repeats(key.secret)), `ACCESS_TOKEN_KEYS ${NOT_RANDOM}`);
    demand(!refreshTokenKeys.some((key) => repeats(key.root)), `REFRESH_TOKEN_KEYS ${NOT_RANDOM}`);
  }

  const host = read('HOST', hostName, conveniences ? '127.0.0.1' : '0.0.0.0');
  const port = read('PORT', whole(0, 65_535), 3000);
  const metricsPort = read('METRICS_PORT', whole(0, 65_535), null);
  demand(metricsPort !== port || port === 0, 'METRICS_PORT must be another port than PORT');
  demand(!production || raw('PUBLIC_ORIGIN') !== undefined, `PUBLIC_ORIGIN is required and ${origin.description}`);

  const accessTokenTtlSeconds = span('ACCESS_TOKEN_TTL', 'accessTokenTtlSeconds');
  demand(!production || accessTokenTtlSeconds <= HOUR, 'ACCESS_TOKEN_TTL must be at most 1h in production');
  const bcryptCost = number('BCRYPT_COST', 'bcryptCost');
  demand(!production || bcryptCost >= 10, 'BCRYPT_COST must be at least 10 in production');
  const sessionAbsoluteTtlSeconds = span('SESSION_ABSOLUTE_TTL', 'sessionAbsoluteTtlSeconds');
  const refreshTokenTtlSeconds = read(
    'REFRESH_TOKEN_TTL',
    duration(...AUTH_RANGES.refreshTokenTtlSeconds),
    Math.min(AUTH_DEFAULTS.refreshTokenTtlSeconds, sessionAbsoluteTtlSeconds),
  );
  demand(
    refreshTokenTtlSeconds <= sessionAbsoluteTtlSeconds,
    'REFRESH_TOKEN_TTL must be at most SESSION_ABSOLUTE_TTL, which nothing extends',
  );

  const adminEmail = read('BOOTSTRAP_ADMIN_EMAIL', email, null);
  const adminPassword = read('BOOTSTRAP_ADMIN_PASSWORD', password, null);
  demand(
    (raw('BOOTSTRAP_ADMIN_EMAIL') === undefined) === (raw('BOOTSTRAP_ADMIN_PASSWORD') === undefined),
    'BOOTSTRAP_ADMIN_EMAIL and BOOTSTRAP_ADMIN_PASSWORD must be set together',
  );

  const publicOrigin = read('PUBLIC_ORIGIN', origin, originOf(host, port));
  const corsOrigins = read('CORS_ORIGINS', origins, []);
  const redis = read('REDIS_URL', redisUrl, null);
  const redisPrefix = read('REDIS_PREFIX', text, 'ratchet:');

  const config: Config = {
    environment,
    production,
    http: {
      host,
      port,
      trustProxy: read('TRUST_PROXY', proxies, []),
      corsOrigins,
      swaggerEnabled: read('SWAGGER_ENABLED', flag, !production),
    },
    database: {
      url: databaseUrl,
      poolSize: read('DATABASE_POOL_SIZE', whole(2, 1000), 10),
      migrateOnStart: read('MIGRATE_ON_START', flag, true),
    },
    auth: {
      accessTokenKeys,
      accessTokenIssuer: read('ACCESS_TOKEN_ISSUER', text, 'ratchet'),
      accessTokenAudience: read('ACCESS_TOKEN_AUDIENCE', text, 'ratchet'),
      accessTokenTtlSeconds,
      refreshTokenKeys,
      refreshTokenTtlSeconds,
      sessionAbsoluteTtlSeconds,
      replayWindowSeconds: span('REFRESH_REPLAY_WINDOW', 'replayWindowSeconds'),
      maxReplays: number('REFRESH_MAX_REPLAYS', 'maxReplays'),
      retryKeys: read('REFRESH_RETRY_KEYS', flag, AUTH_DEFAULTS.retryKeys),
      reuseScope: read('REUSE_SCOPE', oneOf('session', 'user'), AUTH_DEFAULTS.reuseScope),
      reuseEscalationThreshold: number('REUSE_ESCALATION_THRESHOLD', 'reuseEscalationThreshold'),
      emailClaim: AUTH_DEFAULTS.emailClaim,
      exposeRefusalReason: read('EXPOSE_REFUSAL_REASON', flag, !production),
      auditDeadlineMs: read('AUDIT_DEADLINE', duration(1, MINUTE), AUTH_DEFAULTS.auditDeadlineMs / 1000) * 1000,
      bcryptCost,
      hashQueueLimit: number('HASH_QUEUE_LIMIT', 'hashQueueLimit'),
      publicOrigin,
      corsOrigins,
      secureCookies: production || publicOrigin.startsWith('https:'),
      preparedStatements: read('DATABASE_PREPARED_STATEMENTS', flag, AUTH_DEFAULTS.preparedStatements),
      watchRevocations: AUTH_DEFAULTS.watchRevocations,
      maxStalenessSeconds: span('REVOCATION_MAX_STALENESS', 'maxStalenessSeconds'),
      revocationNotify: read('REVOCATION_NOTIFY', oneOf('postgres', 'none'), AUTH_DEFAULTS.revocationNotify),
      listenUrl: read('DATABASE_LISTEN_URL', postgresUrl, null),
      maxSessionsPerUser: number('MAX_SESSIONS_PER_USER', 'maxSessionsPerUser'),
      sessionRetentionSeconds: span('SESSION_RETENTION', 'sessionRetentionSeconds'),
      auditRetentionSeconds: read(
        'AUDIT_RETENTION',
        duration(...AUTH_RANGES.auditRetentionSeconds),
        AUTH_DEFAULTS.auditRetentionSeconds,
      ),
      cleanUpIntervalSeconds: span('CLEANUP_INTERVAL', 'cleanUpIntervalSeconds'),
      limits: {
        loginPerAccount: read('LIMIT_LOGIN_PER_ACCOUNT', limit, AUTH_DEFAULTS.limits.loginPerAccount),
        loginPerIp: read('LIMIT_LOGIN_PER_IP', limit, AUTH_DEFAULTS.limits.loginPerIp),
        refreshPerSession: read('LIMIT_REFRESH_PER_SESSION', limit, AUTH_DEFAULTS.limits.refreshPerSession),
        invalidPerIp: read('LIMIT_INVALID_PER_IP', limit, AUTH_DEFAULTS.limits.invalidPerIp),
        registerPerIp: read('LIMIT_REGISTER_PER_IP', limit, AUTH_DEFAULTS.limits.registerPerIp),
      },
      securityCacheTtlSeconds: span('SECURITY_CACHE_TTL', 'securityCacheTtlSeconds'),
      redis: redis === null ? null : { url: redis, prefix: redisPrefix },
    },
    users: {
      registrationEnabled: read('REGISTRATION_ENABLED', flag, true),
      bootstrapAdmin:
        adminEmail === null || adminPassword === null ? null : { email: adminEmail, password: adminPassword },
      demoAccounts: conveniences,
    },
    metricsPort,
    logLevel: read('LOG_LEVEL', oneOf(...LOG_LEVELS), 'info'),
  };

  if (problems.length > 0) throw new InvalidConfiguration(problems);
  return deepFreeze(config);
}

/** The options that are a number, with a default. */
type Ranged = Exclude<keyof typeof AUTH_RANGES, 'auditRetentionSeconds'>;

type Environment = Readonly<Record<string, string | undefined>>;

/** What is set already wins over the file. */
function processEnvironment(): Environment {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return process.env;
}

/** An unset or unknown name is development only together with the embedded database, and never once a database is given. */
function environmentOf(name: string | undefined, embedded: boolean): Config['environment'] {
  if (name === 'development' || name === 'test') return name;
  return name === undefined && embedded ? 'development' : 'production';
}

/** What `.env.example` holds where only the operator knows the value. Refused everywhere. */
const PLACEHOLDER = 'change-me';
const NOT_RANDOM = 'must be random bytes, such as `openssl rand -base64 32` prints';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: MINUTE, h: HOUR, d: DAY };
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/* Schemas of the texts. The description is the rule that a problem quotes, so that no message can quote the value. */

const text = z.string();
const email = z
  .string()
  .refine((written) => normaliseEmail(written) !== null)
  .describe('must be an e-mail address');
const password = z
  .string()
  .refine((written) => passwordProblem(written) === null)
  .describe('must have 8 to 64 characters and at most 72 bytes, and be none of the most common ones');
const hostName = z
  .union([z.ipv4(), z.ipv6(), z.hostname()])
  .refine((name) => URL.canParse(addressOf(name, 0)))
  .describe('must be an address or a host name');
const flag = z.stringbool().describe('must be true or false');

const oneOf = <const T extends readonly string[]>(...values: T) =>
  z.enum(values).describe(`must be one of ${values.join(', ')}`);

export const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .describe(`must be a whole number from ${min} to ${max}`);

const secondsOf = (written: string): number => Number.parseInt(written, 10) * (SECONDS[written.slice(-1)] ?? 1);

/** A span such as `15m`, in seconds. */
export const duration = (min: number, max = 3650 * DAY) =>
  z
    .string()
    .regex(/^(\d+[smhd]|0)$/)
    .transform(secondsOf)
    .pipe(z.number().min(min).max(max))
    .describe(`must be a duration such as 10s, 15m, 1h or 7d, from ${min}s to ${max}s`);

const limit = z
  .string()
  .regex(/^([1-9]\d{0,8}\/[1-9]\d{0,8}[smhd]|0)$/)
  .transform((written): Limit | null => {
    const [points = '', span = ''] = written.split('/');
    return written === '0' ? null : { points: Number(points), seconds: secondsOf(span) };
  })
  .refine((written) => written === null || written.seconds <= LONGEST_TIMER_SECONDS)
  .describe(`must be a limit such as 10/15m, over at most ${LONGEST_TIMER_SECONDS / DAY}d, or 0 for none`);

const redisUrl = z.url({ protocol: /^rediss?$/ }).describe('must be a URL that starts with redis:// or rediss://');
// Not z.url: the address of a Unix socket, `postgres:///name?host=/folder`, has no host.
const postgresUrl = z
  .string()
  .regex(/^postgres(ql)?:\/\/./)
  .describe('must be a URL that starts with postgres:// or postgresql://');

const origin = z.string().refine(isOrigin).describe('must be an origin such as https://app.example, without a path');

const list = <T>(item: z.ZodType<T, string>) =>
  z
    .string()
    .transform((written) => written.split(',').map((one) => one.trim()))
    .pipe(z.array(item).min(1));

const origins = list(origin).describe('must be origins such as https://app.example, comma separated; never *');

// A network of /0 is `true` in disguise: any client could name any address as its own.
const proxies = list(
  z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]).refine((address) => !address.endsWith('/0')),
).describe('must be addresses or networks such as 10.0.0.0/8, comma separated; never true');

/** `id:base64`, comma separated, as pairs with unique ids. */
const keyPairs = (isId: (id: string) => boolean, bytes: { min: number; max: number }) =>
  list(z.string().transform(pairOf))
    .refine((keys) => keys.every(([name]) => isId(name)))
    .refine((keys) => keys.every(([, key]) => key.length >= bytes.min && key.length <= bytes.max))
    .refine((keys) => new Set(keys.map(([name]) => name)).size === keys.length);

/** The id and the bytes behind the colon: none unless they are base64 to the letter, in either alphabet. */
function pairOf(written: string): readonly [string, Buffer] {
  const [id = '', base64 = '', ...more] = written.split(':');
  const unpadded = base64.replace(/=+$/, '');
  const bytes = Buffer.from(unpadded, 'base64');
  const spellings = [bytes.toString('base64').replace(/=+$/, ''), bytes.toString('base64url')];
  return [id, more.length === 0 && spellings.includes(unpadded) ? bytes : Buffer.alloc(0)];
}

const { access, refresh } = KEY_RULES;

const accessKeys = keyPairs((kid) => access.id.test(kid), { min: access.minBytes, max: access.maxBytes })
  .transform((keys) => keys.map(([kid, secret]) => ({ kid, secret })))
  .describe('must be kid:base64 keys of at least 32 bytes, comma separated, each kid once');

const refreshKeys = keyPairs((id) => /^(0|[1-9]\d{0,2})$/.test(id) && Number(id) <= refresh.maxId, {
  min: refresh.bytes,
  max: refresh.bytes,
})
  .transform((keys) => keys.map(([id, root]) => ({ id: Number(id), root })))
  .describe('must be id:base64 keys of exactly 32 bytes, comma separated, each id once and from 0 to 255');

/** True for the keys that people type; 32 random bytes practically never have fewer than 8 distinct values. */
const repeats = (key: Uint8Array): boolean => new Set(key).size < 8;

const addressOf = (host: string, port: number): string => `http://${host.includes(':') ? `[${host}]` : host}:${port}`;

const originOf = (host: string, port: number): string =>
  new URL(addressOf(host === '0.0.0.0' || host === '::' ? 'localhost' : host, port)).origin;

/** The key ring that development keeps in `folder`, made when there is none. Of two first starts one link succeeds. */
function keptRing(folder: string, name: string, firstId: string): string {
  const path = join(folder, name);
  if (!existsSync(path)) {
    // The mode is for this folder alone: its parents hold the embedded database, which may run as another user.
    mkdirSync(join(folder, '..'), { recursive: true });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const draft = `${path}.${randomUUID()}`;
    writeFileSync(draft, `${firstId}:${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flag: 'wx' });
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
