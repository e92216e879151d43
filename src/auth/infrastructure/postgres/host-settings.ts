import type { CustomTypesConfig, Pool, PoolClient, QueryConfig, QueryResult, QueryResultRow } from 'pg';
import { type DataSource, EntityManager, type QueryRunner } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver';
import { OWN_TYPES } from './own-types';
import { failedWith, PASSING } from './sql-state';

/** What TypeORM sends, and what auth needs: a host's role, database or `isolationLevel` may have other defaults. */
const START = 'START TRANSACTION';
const START_AS_NEEDED = `${START} ISOLATION LEVEL READ COMMITTED READ WRITE`;

/**
 * The host's DataSource, without what the host has set for itself: it asks the primary, caches nothing, and no isolation
 * ends its statements. Values are parsed by `types`; without them by the host's parsers.
 */
export function withoutHostSettings(host: DataSource, types?: CustomTypesConfig): DataSource {
  const dataSource = Object.create(host, {
    queryResultCache: { value: undefined },
    // Whatever mode a read asks for.
    createQueryRunner: { value: () => runnerOf(dataSource, host.createQueryRunner('master'), types) },
  }) as DataSource;
  return Object.defineProperty(dataSource, 'manager', { value: new EntityManager(dataSource) });
}

/** On the connection of `runner`, and in its transaction. */
export function runnerOf(dataSource: DataSource, runner: QueryRunner, types?: CustomTypesConfig): QueryRunner {
  const connect = async () => {
    const client = (await runner.connect()) as PoolClient;
    return {
      query: async (text: string, values?: unknown[]) => {
        const query: QueryConfig = {
          // In the statement that begins the transaction, since a statement of its own would be another round trip.
          text: text === START ? START_AS_NEEDED : text,
          ...(values && { values }),
          ...(types && { types }),
        };
        if (runner.isTransactionActive) return client.query(query);
        return orReadCommitted(
          () => client.query(query),
          () => readCommitted(client, query),
        );
      },
    };
  };
  const own: QueryRunner = new Proxy(runner, {
    get(target, key) {
      if (key === 'connect') return connect;
      if (key === 'manager') return manager;
      if (key === 'release') return () => target.release(); // the driver has it in a list, by identity
      return Reflect.get(target, key) as unknown;
    },
  });
  const manager = new EntityManager(dataSource, own);
  return own;
}

/** A statement on the pool, outside of any transaction, for what TypeORM cannot send: a named one. */
export function onPool<Row extends QueryResultRow>(
  { driver }: DataSource,
  statement: QueryConfig,
): Promise<QueryResult<Row>> {
  const pool = (driver as PostgresDriver).master as Pool;
  const query = { ...statement, types: OWN_TYPES };
  return orReadCommitted(
    () => pool.query<Row>(query),
    async () => {
      const client = await pool.connect();
      try {
        return await readCommitted<Row>(client, query);
      } finally {
        client.release();
      }
    },
  );
}

/**
 * A statement outside of a transaction has the isolation of the host's role. If that ends it, it has changed nothing, and
 * decides again as auth means it. A transaction around all of them would cost a refresh two round trips.
 */
async function orReadCommitted<T>(once: () => Promise<T>, again: () => Promise<T>): Promise<T> {
  try {
    return await once();
  } catch (error) {
    if (!failedWith(error, ...PASSING)) throw error;
    return again();
  }
}

async function readCommitted<Row extends QueryResultRow>(
  client: PoolClient,
  query: QueryConfig,
): Promise<QueryResult<Row>> {
  await client.query(START_AS_NEEDED);
  try {
    const result = await client.query<Row>(query);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}
