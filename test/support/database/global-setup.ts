import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../../src/database/data-source';
import { startEmbeddedPostgres } from '../../../src/database/embedded-postgres';
import { runMigrations } from '../../../src/database/migrate';
import { administer, schema, TEMPLATE, urlOf } from './test-database';

/** One server for the run, unless TEST_DATABASE_URL names one, and on it the migrated template of all test databases. */
export default async function globalSetup(): Promise<void> {
  if (!process.env.TEST_DATABASE_URL) {
    await sweep();
    const folder = await mkdtemp(join(tmpdir(), `${FOLDER}${process.pid}-`));
    const server = await startEmbeddedPostgres({
      dataDir: join(folder, 'pg'),
      settings: { fsync: 'off', full_page_writes: 'off' },
    });
    process.env.TEST_DATABASE_URL = server.url;
    globalThis.stopTestServer = async () => {
      delete process.env.TEST_DATABASE_URL;
      await server.stop();
      await rm(folder, { recursive: true });
    };
  }
  await administer(`DROP DATABASE IF EXISTS ${TEMPLATE} WITH (FORCE)`, `CREATE DATABASE ${TEMPLATE}`);
  const database = { url: urlOf(TEMPLATE), poolSize: 1, migrateOnStart: true };
  const dataSource = await new DataSource(dataSourceOptions(database, schema)).initialize();
  await runMigrations(dataSource);
  await dataSource.destroy();
}

declare global {
  var stopTestServer: (() => Promise<void>) | undefined;
}

const FOLDER = 'ratchet-test-';

/** A run that was killed has left its server behind. */
async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const run = name.startsWith(FOLDER) && Number.parseInt(name.slice(FOLDER.length));
    if (!run || isAlive(run)) continue;
    const folder = join(tmpdir(), name);
    try {
      await (await startEmbeddedPostgres({ dataDir: join(folder, 'pg') })).stop();
      await rm(folder, { recursive: true });
    } catch {
      // Another user's, or another run is sweeping, too.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
