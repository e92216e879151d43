import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
// Past the modules' doors: the set-up of every run needs the tables alone, and would load all of Nest behind them.
import { authSchema } from '../../../src/auth/infrastructure/postgres/schema';
import { dataSourceOptions } from '../../../src/postgres/data-source';
import { userSchema } from '../../../src/users/schema';

/** A database of its own for a spec, with the real schema and nothing in it. */
export interface TestDatabase {
  readonly url: string;
  /**
   * With the application's own options; `role` is another role, whose password is its name. Closed by `close`. Only the
   * schema `ratchet` is migrated.
   */
  connect(poolSize?: number, schema?: string, role?: string): Promise<DataSource>;
  close(): Promise<void>;
}

/** All tables of the application, in a schema. */
export function tablesIn(schema: string) {
  const [auth, users] = [authSchema({ schema }), userSchema(schema)];
  return { entities: [...auth.entities, ...users.entities], migrations: [...auth.migrations, ...users.migrations] };
}

export const SCHEMA = 'ratchet';

export const TEMPLATE = 'ratchet_template';

/** This worker's database, empty again: for one caller at a time, since the next call takes it away. */
export function testDatabase(): Promise<TestDatabase> {
  return cloneTemplate(`w${process.env.JEST_WORKER_ID ?? '1'}`);
}

/** One more database, which `close` removes, for specs that need several or break theirs. */
export async function freshDatabase(): Promise<TestDatabase> {
  const name = FRESH + randomUUID();
  const database = await cloneTemplate(name);
  return {
    ...database,
    close: async () => {
      await database.close();
      await administer(`DROP DATABASE "${name}" WITH (FORCE)`);
    },
  };
}

const FRESH = 'fresh_';

/** Those that an earlier run on the same server has left, since it was killed. */
export async function dropFreshDatabases(): Promise<void> {
  const client = new Client({ connectionString: urlOf() });
  await client.connect();
  const { rows } = await client.query<{ name: string }>(
    'SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)',
    [FRESH],
  );
  await client.end();
  await administer(...rows.map(({ name }) => `DROP DATABASE "${name}" WITH (FORCE)`));
}

async function cloneTemplate(name: string): Promise<TestDatabase> {
  await administer(
    `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`,
    `CREATE DATABASE "${name}" TEMPLATE ${TEMPLATE} STRATEGY file_copy`,
    // For the statements of specs. The product names its schema: see test/database/schemas.spec.ts.
    `ALTER DATABASE "${name}" SET search_path = ${SCHEMA}, public`,
  );
  const url = urlOf(name);
  const open: DataSource[] = [];
  return {
    url,
    connect: async (poolSize = 5, schema = SCHEMA, role) => {
      const as = new URL(url);
      if (role !== undefined) [as.username, as.password] = [role, role];
      const dataSource = new DataSource(
        dataSourceOptions({ url: as.href, poolSize, migrateOnStart: false, schema }, tablesIn(schema)),
      );
      open.push(dataSource);
      return dataSource.initialize();
    },
    close: async () => {
      for (const dataSource of open) if (dataSource.isInitialized) await dataSource.destroy();
    },
  };
}

/** Runs statements that no transaction may hold, on the server's own database. */
export async function administer(...statements: string[]): Promise<void> {
  const client = new Client({ connectionString: urlOf() });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** The address of a database on the test server; without a name, of the one that the server came with. */
export function urlOf(name?: string): string {
  if (!process.env.TEST_DATABASE_URL) throw new Error('No test server: the Jest configuration lacks the global setup.');
  const url = new URL(process.env.TEST_DATABASE_URL);
  if (name) url.pathname = name;
  return url.href;
}
