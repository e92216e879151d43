import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../../src/postgres/data-source';
import { runMigrations } from '../../../src/postgres/migrate';
import { startPgBouncer } from './pgbouncer';
import { administer, dropFreshDatabases, SCHEMA, tablesIn, TEMPLATE, urlOf } from './test-database';
import { startTestServer } from './test-server';

/**
 * One server for the run, unless TEST_DATABASE_URL names one, and on it the migrated template of all test databases. With
 * TEST_POOLER, applications reach it through a PgBouncer that pools transactions, whose port replaces the value.
 */
export default async function globalSetup(): Promise<void> {
  if (process.env.TEST_DATABASE_URL) await dropFreshDatabases();
  else {
    const server = await startTestServer();
    process.env.TEST_DATABASE_URL = server.url;
    globalThis.stopTestServer = async () => {
      delete process.env.TEST_DATABASE_URL;
      await server.stop();
    };
  }
  await administer(`DROP DATABASE IF EXISTS ${TEMPLATE} WITH (FORCE)`, `CREATE DATABASE ${TEMPLATE}`);
  const database = { url: urlOf(TEMPLATE), poolSize: 1, migrateOnStart: true, schema: SCHEMA };
  const dataSource = await new DataSource(dataSourceOptions(database, tablesIn(SCHEMA))).initialize();
  await runMigrations(dataSource);
  await dataSource.destroy();
  if (process.env.TEST_POOLER) {
    const pooler = await startPgBouncer(urlOf());
    process.env.TEST_POOLER = String(pooler.port);
    globalThis.stopTestPooler = pooler.stop;
  }
}

declare global {
  var stopTestServer: (() => Promise<void>) | undefined;
  var stopTestPooler: (() => Promise<void>) | undefined;
}
