import {
  broken,
  fieldsOf,
  flag,
  type Given,
  InvalidAuthOptions,
  matching,
  oneOf,
  type OptionProblem,
  orNull,
  POSTGRES_URL,
  type Rule,
  whole,
} from './rules';

/** What only a storage in PostgreSQL knows. An abstract class, so that it is its own injection token. */
export abstract class PostgresSettings {
  /** The schema that holds auth's tables: the one that `authSchema()` was given. */
  abstract readonly schema: string;
  /** Whether commits send a hint to the other instances at once; without hints these only poll once a second. */
  abstract readonly notify: 'postgres' | 'none';
  /** Where to listen for hints, if not on the pool's server (because that is a PgBouncer, for example). */
  abstract readonly listenUrl: string | null;
  /** Named prepared statements on the refresh; off behind a transaction-mode PgBouncer. */
  abstract readonly preparedStatements: boolean;
  /**
   * How much time a partition of the event log holds; it may be changed at any time. `external`: somebody else creates and
   * drops partitions, and `auditRetentionSeconds` has no effect.
   */
  abstract readonly auditPartition: 'month' | 'week' | 'day' | 'external';
  /**
   * A database of auth's own, or auth's own connections to the host's: auth opens it, runs its migrations before anything
   * else starts, and closes it. Null: a DataSource of the host.
   */
  abstract readonly database: OwnDatabaseSettings | null;
}

/** A database that auth connects to by itself. */
export interface OwnDatabaseSettings {
  /** `postgres://` or `postgresql://`, with one host. */
  readonly url: string;
  /** The most connections, beside the one that listens. */
  readonly poolSize: number;
}

/**
 * What a host gives; the rest is as in {@link POSTGRES_DEFAULTS}, and a pool of 10.
 * @interface
 */
export type GivenPostgresSettings = Given<Omit<PostgresSettings, 'database'>> & {
  /** A database of auth's own; null or absent: a DataSource of the host. */
  readonly database?: GivenOwnDatabase | null | undefined;
};

/**
 * {@link OwnDatabaseSettings} with a default pool.
 * @interface
 */
export type GivenOwnDatabase = Pick<OwnDatabaseSettings, 'url'> & Given<Omit<OwnDatabaseSettings, 'url'>>;

/** The defaults of `postgresStorage()`. */
export const POSTGRES_DEFAULTS: Pick<PostgresSettings, keyof PostgresSettings> = {
  schema: 'ratchet',
  notify: 'postgres',
  listenUrl: null,
  preparedStatements: true,
  auditPartition: 'month',
  database: null,
};

/** Short, since names of up to 63 characters hold it; `pg_` is PostgreSQL's. @internal */
export const SCHEMA_NAME = matching(
  /^(?!pg_)[a-z_][a-z0-9_]{0,30}$/,
  'must be a schema name: a lower-case letter or underscore, then up to 30 lower-case letters, digits and underscores, not pg_…',
);

const RULES: Readonly<Record<Exclude<keyof PostgresSettings, 'database'>, Rule>> = {
  schema: SCHEMA_NAME,
  notify: oneOf('postgres', 'none'),
  listenUrl: orNull(POSTGRES_URL),
  preparedStatements: flag,
  auditPartition: oneOf('month', 'week', 'day', 'external'),
};
/** One connection is not enough: while a transaction holds it, the guard's poll waits. */
const DATABASE_RULES: Readonly<Record<string, Rule>> = { url: POSTGRES_URL, poolSize: whole(2, 1000) };
const DEFAULT_POOL_SIZE = 10;

/**
 * A host's settings with the defaults in the gaps.
 * @throws InvalidAuthOptions naming every problem at once
 * @internal
 */
export function completePostgresSettings(given: GivenPostgresSettings): PostgresSettings {
  const { database = null, ...flat } = given;
  const settings = {
    ...POSTGRES_DEFAULTS,
    ...told(flat),
    database: database === null ? null : { poolSize: DEFAULT_POOL_SIZE, ...told(fieldsOf(database)) },
  } as PostgresSettings;
  const problems = postgresProblems(settings);
  if (problems.length > 0) throw new InvalidAuthOptions(problems, 'settings of postgresStorage()');
  return settings;
}

/** Everything that is wrong with them. @internal */
export function postgresProblems({
  database,
  ...flat
}: Pick<PostgresSettings, keyof PostgresSettings>): OptionProblem[] {
  return [...broken(RULES, flat), ...(database === null ? [] : broken(DATABASE_RULES, database, 'database.'))];
}

const told = (given: object): object =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
