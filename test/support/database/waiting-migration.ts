import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { dataSourceOptions } from '../../../src/postgres/data-source';
import { runMigrations } from '../../../src/postgres/migrate';
import { startTestApplication } from '../app/test-application';
import { freshDatabase, SCHEMA } from './test-database';

class Widening1900000000000 implements MigrationInterface {
  up = (runner: QueryRunner): Promise<void> =>
    runner.query(`ALTER TABLE ${SCHEMA}.sessions ADD COLUMN widened boolean`);
  down = (): Promise<void> => Promise.resolve();
}

/**
 * A client refreshes while somebody reads the table of sessions in a long transaction and a migration waits for it, until
 * `isEnough` of the tries that the migration has made and of the milliseconds since it began; then the reader commits.
 * Answers whose status is not 200, the longest time between two that are, and what the migration did.
 */
export async function refreshBesideAMigration(isEnough: (tries: number, ms: number) => boolean) {
  const database = await freshDatabase();
  const application = await startTestApplication({ database });
  const watcher = await database.connect(1);
  const reader = new Client({ connectionString: database.url });
  await reader.connect();
  const options = dataSourceOptions(
    { url: database.url, poolSize: 1, schema: SCHEMA },
    { entities: [], migrations: [Widening1900000000000] },
  );
  const starting = await new DataSource(options).initialize();
  try {
    let { refreshToken } = (await application.logIn()).body;
    const refused: number[] = [];
    let longestMs = 0;
    let grantedAt = performance.now();
    const refresh = async (): Promise<void> => {
      const { status, body } = await application.refresh(refreshToken);
      longestMs = Math.max(longestMs, performance.now() - grantedAt);
      if (status !== 200) return void refused.push(status);
      grantedAt = performance.now();
      ({ refreshToken } = body);
    };
    await reader.query(`BEGIN; SELECT FROM ${SCHEMA}.sessions`);
    const migrated = runMigrations(starting);
    const begunAt = performance.now();

    /** The transactions that have waited for the table: each try of the migration is another one. */
    const tries = new Set<string>();
    const holds = { over: false };
    // Beside the refreshes, which wait behind each try as long as it lasts.
    const watching = (async () => {
      while (!isEnough(tries.size, performance.now() - begunAt)) {
        const waiting = await watcher.query<{ transaction: string }[]>(
          `SELECT virtualtransaction AS transaction FROM pg_locks
            WHERE NOT granted AND relation = '${SCHEMA}.sessions'::regclass AND mode = 'AccessExclusiveLock'`,
        );
        for (const { transaction: id } of waiting) tries.add(id);
        await delay(20);
      }
    })().finally(() => (holds.over = true));
    while (!holds.over) await refresh();
    await watching;

    await reader.query('COMMIT');
    const done = await migrated;
    await refresh();
    return { refused, longestMs, done, tries: tries.size };
  } finally {
    await reader.end();
    for (const dataSource of [starting, watcher]) await dataSource.destroy();
    await application.close();
    await database.close();
  }
}
