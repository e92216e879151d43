import { KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AuthOptions,
  type GivenAuthOptions,
  type IncompleteAuthOptions,
  optionProblems,
  POSTGRES_DEFAULTS,
  postgresProblems,
  type PostgresSettings,
  withDefaults,
} from './auth';
import { isKept, keptRing } from './kept-keys';
import {
  accessKeys,
  addressOf,
  duration,
  emailAddress,
  flag,
  goodPassword,
  hostName,
  HOUR,
  limit,
  list,
  milliseconds,
  number,
  postgresUrl,
  proxies,
  type Reading,
  refreshKeys,
  resourceServers,
  schemaName,
  span,
  spanOrNone,
  text,
  whole,
} from './readings';

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
    readonly consoleEnabled: boolean;
    /** How long the instance still serves requests after the first signal, while proxies learn that it ends. */
    readonly shutdownDelaySeconds: number;
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
  readonly storage: Pick<PostgresSettings, keyof PostgresSettings>;
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
export type CommandLineConfig = Pick<Config, 'environment' | 'database' | 'storage'> & {
  readonly auth: IncompleteAuthOptions;
};

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
    { exposeRefusalReason: !production, publicOrigin: originOf(host, port), oauth: true },
    (name) => (conveniences ? keptRing(join(dataFolder, 'keys'), name) : undefined),
  );
  const auth = withDefaults({ ...given, secureCookies: production || given.publicOrigin?.startsWith('https:') });
  if (production) {
    const secrets = given.accessTokenKeys?.flatMap(({ secret }) => secret ?? []);
    variables.demand('ACCESS_TOKEN_KEYS', !secrets?.some(repeats), NOT_RANDOM);
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
      consoleEnabled: variables.read('CONSOLE_ENABLED', flag, environment === 'development'),
      shutdownDelaySeconds: variables.read('SHUTDOWN_DELAY', duration(0, 300), production ? 5 : 0),
    },
    database,
    auth: auth as AuthOptions,
    storage: readStorage(variables, database),
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
  const given = readAuthOptions(variables, {}, (name) => {
    const folder = join(dataFolder, 'keys');
    return conveniences && existsSync(join(folder, name.toLowerCase())) ? keptRing(folder, name) : undefined;
  });
  const auth = withDefaults(given);
  demandUsable(variables, auth, false);
  const storage = readStorage(variables, database);
  variables.throwProblems();
  return { environment, database, auth, storage };
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
      schema: variables.read('DATABASE_SCHEMA', schemaName, POSTGRES_DEFAULTS.schema),
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
  const given: Record<string, unknown> = { accessTokenAudience: 'ratchet', ...defaults };
  const groups: Record<string, Record<string, unknown>> = { limits: {}, redis: { prefix: 'ratchet:' } };
  for (const [option, [name, reading]] of Object.entries(AUTH_VARIABLES)) {
    const written = variables.text(name) ?? (isKept(name) ? kept(name) : undefined);
    const value = variables.read(name, reading, undefined, written);
    if (value === undefined) continue;
    const [group = '', part] = option.split('.');
    if (part === undefined) given[option] = value;
    else (groups[group] ??= {})[part] = value;
  }
  if (Object.keys(groups.redis ?? {}).every((part) => part === 'prefix')) delete groups.redis;
  given.accessTokenIssuer ??= given.publicOrigin;
  return { ...given, ...groups };
}

/** The settings of auth's storage, and what is wrong with them. */
function readStorage(variables: Variables, { schema }: Config['database']): Config['storage'] {
  const read = Object.entries(STORAGE_VARIABLES).flatMap(([setting, [name, reading]]) => {
    const value = variables.read(name, reading, undefined);
    return value === undefined ? [] : [[setting, value]];
  });
  const storage = { ...POSTGRES_DEFAULTS, schema, ...(Object.fromEntries(read) as Partial<Config['storage']>) };
  for (const { option, rule } of postgresProblems(storage))
    variables.demand(STORAGE_VARIABLES[option]?.[0] ?? option, false, rule);
  return storage;
}

/** Auth's rules, in the names of the environment. An option that is missing is a problem only where it is `required`. */
function demandUsable(variables: Variables, auth: IncompleteAuthOptions, required: boolean): void {
  const nameOf = (option: string): string => AUTH_VARIABLES[option]?.[0] ?? option;
  for (const { option, rule } of optionProblems(auth)) {
    const missing = HAVE_NO_DEFAULT.some((name) => name === option && auth[name] === undefined);
    if (missing && !required) continue;
    const words = rule.replace(/\w+(\.\w+)*/g, nameOf);
    variables.demand(nameOf(option), false, missing ? `is required and ${words}` : words);
  }
}

const HAVE_NO_DEFAULT = ['accessTokenKeys', 'refreshTokenKeys', 'accessTokenIssuer'] as const;

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
const NOT_RANDOM = 'must be random bytes, such as `ratchet keys generate` prints';

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const logLevel: Reading<Config['logLevel']> = {
  words: `must be one of ${LOG_LEVELS.join(', ')}`,
  read: (written) => LOG_LEVELS.find((level) => level === written),
};
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
  oauth: ['OAUTH_ENABLED', flag],
  oauthClientId: ['OAUTH_CLIENT_ID', text],
  resourceServers: ['RESOURCE_SERVERS', resourceServers],
  accessTokenTtlSeconds: ['ACCESS_TOKEN_TTL', span],
  refreshTokenTtlSeconds: ['REFRESH_TOKEN_TTL', span],
  sessionAbsoluteTtlSeconds: ['SESSION_ABSOLUTE_TTL', span],
  replayWindowSeconds: ['REFRESH_REPLAY_WINDOW', span],
  maxReplays: ['REFRESH_MAX_REPLAYS', number],
  retryKeys: ['REFRESH_RETRY_KEYS', flag],
  dpop: ['DPOP', text],
  dbsc: ['DBSC', text],
  adminReauthentication: ['ADMIN_REAUTHENTICATION', spanOrNone],
  sessionReauthentication: ['SESSION_REAUTHENTICATION', spanOrNone],
  reuseScope: ['REUSE_SCOPE', text],
  reuseEscalationThreshold: ['REUSE_ESCALATION_THRESHOLD', number],
  exposeRefusalReason: ['EXPOSE_REFUSAL_REASON', flag],
  auditDeadlineMs: ['AUDIT_DEADLINE', milliseconds],
  resetTicketTtlSeconds: ['RESET_TICKET_TTL', span],
  bcryptCost: ['BCRYPT_COST', number],
  hashQueueLimit: ['HASH_QUEUE_LIMIT', number],
  maxStalenessSeconds: ['REVOCATION_MAX_STALENESS', span],
  maxSessionsPerUser: ['MAX_SESSIONS_PER_USER', number],
  sessionRetentionSeconds: ['SESSION_RETENTION', span],
  auditRetentionSeconds: ['AUDIT_RETENTION', span],
  cleanUpIntervalSeconds: ['CLEANUP_INTERVAL', span],
  securityCacheTtlSeconds: ['SECURITY_CACHE_TTL', span],
  'limits.loginPerAccount': ['LIMIT_LOGIN_PER_ACCOUNT', limit],
  'limits.loginAnywhere': ['LIMIT_LOGIN_ANYWHERE', limit],
  'limits.loginPerIp': ['LIMIT_LOGIN_PER_IP', limit],
  'limits.refreshPerSession': ['LIMIT_REFRESH_PER_SESSION', limit],
  'limits.refreshPerUser': ['LIMIT_REFRESH_PER_USER', limit],
  'limits.invalidPerIp': ['LIMIT_INVALID_PER_IP', limit],
  'limits.logoutPerSession': ['LIMIT_LOGOUT_PER_SESSION', limit],
  'limits.logoutPerIp': ['LIMIT_LOGOUT_PER_IP', limit],
  'limits.registerPerIp': ['LIMIT_REGISTER_PER_IP', limit],
  'limits.listPerUser': ['LIMIT_LIST_PER_USER', limit],
  'redis.url': ['REDIS_URL', text],
  'redis.prefix': ['REDIS_PREFIX', text],
  'redis.sentinels': ['REDIS_SENTINELS', list(text)],
  'redis.master': ['REDIS_MASTER', text],
};

/** The same for its storage, beside the schema. */
const STORAGE_VARIABLES: typeof AUTH_VARIABLES = {
  notify: ['REVOCATION_NOTIFY', text],
  listenUrl: ['DATABASE_LISTEN_URL', text],
  preparedStatements: ['DATABASE_PREPARED_STATEMENTS', flag],
  auditPartition: ['AUDIT_PARTITION', text],
};

/** True for the keys that people type; 32 random bytes practically never have fewer than 8 distinct values. */
const repeats = (key: Uint8Array): boolean => new Set(key).size < 8;

const originOf = (host: string, port: number): string =>
  new URL(addressOf(host === '0.0.0.0' || host === '::' ? 'localhost' : host, port)).origin;

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value) as unknown[]) {
    // Bytes cannot be frozen, and a KeyObject notes its details when they are asked for.
    if (typeof inner === 'object' && inner !== null && !ArrayBuffer.isView(inner) && !(inner instanceof KeyObject))
      deepFreeze(inner);
  }
  return Object.freeze(value);
}
