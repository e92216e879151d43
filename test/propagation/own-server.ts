import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/postgres/data-source';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/database/embedded-postgres';
import { runMigrations } from '../../src/postgres/migrate';
import { SCHEMA, tablesIn } from '../support/database/test-database';
import { roomInMemory } from '../support/database/test-server';

interface OwnServerOptions {
  readonly settings?: Readonly<Record<string, string>>;
  /** With the tables of the application. */
  readonly migrated?: boolean;
}

/** A database server that a spec may stop, and start again with what it held. */
export async function ownServer({ settings = {}, migrated = false }: OwnServerOptions = {}) {
  // By this name a later run finds what a killed one has left behind.
  const folder = await mkdtemp(join(await roomInMemory(), `ratchet-test-${process.pid}-`));
  const start = () =>
    startEmbeddedPostgres({
      dataDir: join(folder, 'pg'),
      settings: { fsync: 'off', full_page_writes: 'off', ...settings },
    });
  let server: EmbeddedPostgres | null = await start();
  if (migrated) await migrate(server.url);
  const stop = async (): Promise<void> => {
    await server?.stop();
    server = null;
  };
  return {
    /** Another one after each start. */
    url: () => server?.url ?? '',
    stop,
    start: async (): Promise<void> => {
      server ??= await start();
    },
    /** As the power fails: the server dies with its connections, and nothing is written any more. */
    kill: async (): Promise<void> => {
      const [pid] = (await readFile(join(folder, 'pg', 'postmaster.pid'), 'utf8')).split('\n');
      process.kill(Number(pid), 'SIGKILL');
      await stop();
    },
    remove: async (): Promise<void> => {
      await stop();
      await rm(folder, { recursive: true });
    },
  };
}

export async function migrate(url: string): Promise<void> {
  const dataSource = await new DataSource(
    dataSourceOptions({ url, poolSize: 1, migrateOnStart: true, schema: SCHEMA }, tablesIn(SCHEMA)),
  ).initialize();
  await runMigrations(dataSource);
  await dataSource.query(`ALTER DATABASE postgres SET search_path = ${SCHEMA}, public`); // for the statements of specs
  await dataSource.destroy();
}
