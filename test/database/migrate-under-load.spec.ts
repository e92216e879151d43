import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { dataSourceOptions } from '../../src/postgres/data-source';
import { runMigrations } from '../../src/postgres/migrate';
import { startTestApplication } from '../support/app/test-application';
import { freshDatabase, SCHEMA } from '../support/database/test-database';

class Widening1900000000000 implements MigrationInterface {
  up = (runner: QueryRunner): Promise<void> =>
    runner.query(`ALTER TABLE ${SCHEMA}.sessions ADD COLUMN widened boolean`);
  down = (): Promise<void> => Promise.resolve();
}

// Seen red without `lock_timeout`: refreshes waited behind the migration until they were 503.
it('refreshes are granted while a migration waits for a long reader of their table, however often it tries', async () => {
  const database = await freshDatabase();
  const application = await startTestApplication({ database });
  const reader = await database.connect(2);
  const options = dataSourceOptions(
    { url: database.url, poolSize: 1, schema: SCHEMA },
    { entities: [], migrations: [Widening1900000000000] },
  );
  const starting = await new DataSource(options).initialize();
  try {
    let { refreshToken } = (await application.logIn()).body;
    const transaction = reader.createQueryRunner();
    await transaction.startTransaction();
    await transaction.query(`SELECT FROM ${SCHEMA}.sessions`);
    const migrated = runMigrations(starting);

    /** The transactions that have waited for the table: each try of the migration is another one. */
    const tries = new Set<string>();
    while (tries.size < 3) {
      const waiting = await reader.query<{ transaction: string }[]>(
        `SELECT virtualtransaction AS transaction FROM pg_locks
          WHERE NOT granted AND relation = '${SCHEMA}.sessions'::regclass AND mode = 'AccessExclusiveLock'`,
      );
      for (const { transaction: id } of waiting) tries.add(id);
      const answer = await application.refresh(refreshToken);
      expect(answer.status).toBe(200);
      ({ refreshToken } = answer.body);
    }

    await transaction.commitTransaction();
    await transaction.release();
    expect(await migrated).toEqual(['Widening1900000000000']);
    expect((await application.refresh(refreshToken)).status).toBe(200);
  } finally {
    for (const dataSource of [starting, reader]) await dataSource.destroy();
    await application.close();
    await database.close();
  }
}, 30_000);
