import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { dataSourceOptions, type DatabaseSchema } from '../../src/postgres/data-source';
import { runMigrations } from '../../src/postgres/migrate';
import { administer, SCHEMA, tablesIn, urlOf } from '../support/database/test-database';
import { until } from '../support/until';

const DATABASE = `migrate_${process.env.JEST_WORKER_ID}`;
const instances: DataSource[] = [];

/** An instance of the application on a database without a schema. */
async function instance(migrations: DatabaseSchema['migrations'], statementTimeoutMs = 5000): Promise<DataSource> {
  const options = dataSourceOptions(
    { url: urlOf(DATABASE), poolSize: 2, migrateOnStart: true },
    { entities: [], migrations },
  );
  const extra = { ...options.extra, statement_timeout: statementTimeoutMs };
  const dataSource = await new DataSource({ ...options, extra }).initialize();
  instances.push(dataSource);
  return dataSource;
}

const tables = (dataSource: DataSource) =>
  dataSource.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1");

class Solid1700000000000 implements MigrationInterface {
  up = (runner: QueryRunner): Promise<void> => runner.query('CREATE TABLE solid ()');
  down = (): Promise<void> => Promise.resolve();
}

class Broken1700000000001 implements MigrationInterface {
  up = (runner: QueryRunner): Promise<void> => runner.query('CREATE TABLE solid ()');
  down = (): Promise<void> => Promise.resolve();
}

class Slow1700000000002 implements MigrationInterface {
  up = (runner: QueryRunner): Promise<void> => runner.query('SELECT pg_sleep(0.5)');
  down = (): Promise<void> => Promise.resolve();
}

beforeEach(() => administer(`DROP DATABASE IF EXISTS ${DATABASE} WITH (FORCE)`, `CREATE DATABASE ${DATABASE}`));

afterEach(async () => {
  for (const dataSource of instances.splice(0)) await dataSource.destroy();
  await administer(`DROP DATABASE ${DATABASE} WITH (FORCE)`);
});

test('three instances that start together all succeed, and each migration runs once', async () => {
  const { migrations } = tablesIn(SCHEMA);
  const started = await Promise.all([1, 2, 3].map(() => instance(migrations)));
  const ran = await Promise.all(started.map(runMigrations));
  expect(ran.flat()).toHaveLength(migrations.length);
});

class Renaming1700000000003 implements MigrationInterface {
  up = (runner: QueryRunner): Promise<void> => runner.query('ALTER TABLE busy RENAME TO idle');
  down = (): Promise<void> => Promise.resolve();
}

// Seen red without a limit: whoever came after the migration waited for the reader, too.
test('a migration that waits for a long reader lets others pass, and is done when that has ended', async () => {
  const [reader, other, starting] = await Promise.all([instance([]), instance([]), instance([Renaming1700000000003])]);
  await reader.query('CREATE TABLE busy ()');
  const runner = reader.createQueryRunner();
  await runner.startTransaction();
  await runner.query('SELECT FROM busy');
  const migrated = runMigrations(starting);
  await until(async () => (await waiting(other)) > 0);
  // Behind the migration's lock; it is given up within the second, so that this is answered while the reader goes on.
  await other.query('SELECT FROM busy');
  await runner.commitTransaction();
  await runner.release();
  expect(await migrated).toEqual(['Renaming1700000000003']);
});

const waiting = async (dataSource: DataSource): Promise<number> => {
  const [row] = await dataSource.query<{ count: number }[]>(
    "SELECT count(*)::integer FROM pg_locks WHERE NOT granted AND relation = to_regclass('busy')",
  );
  return row!.count;
};

test('a migration that fails leaves nothing of its run behind, and the lock is free', async () => {
  const broken = await instance([Solid1700000000000, Broken1700000000001]);
  await expect(runMigrations(broken)).rejects.toThrow('relation "solid" already exists');
  expect(await tables(broken)).toEqual([]);

  expect(await runMigrations(await instance([Solid1700000000000]))).toEqual(['Solid1700000000000']);
});

test("neither a slow migration nor the wait for another instance's falls to the statement timeout", async () => {
  const started = await Promise.all([1, 2].map(() => instance([Slow1700000000002], 100)));
  const ran = await Promise.all(started.map(runMigrations));
  expect(ran.flat()).toEqual(['Slow1700000000002']);
  expect(await started[0]!.query('SHOW statement_timeout')).toEqual([{ statement_timeout: '100ms' }]);
});
