import { setTimeout as delay } from 'node:timers/promises';
import { DataSource, type DataSourceOptions, MigrationExecutor, QueryFailedError } from 'typeorm';
import { createSchema } from './create-schema';

const LOCK_NOT_AVAILABLE = '55P03';
const LOCK_TIMEOUT_MS = 1000;
/** About ten minutes. */
const MAX_TRIES = 300;

const codeOf = (error: unknown): unknown =>
  error instanceof QueryFailedError ? (error.driverError as { code?: unknown }).code : undefined;

/**
 * Brings the schema up to date, all or nothing. Instances that start together wait for each other: TypeORM alone takes
 * no lock, and all but one would crash. The lock goes with the transaction, however that ends. Locks on tables are waited
 * for a second at most, and the whole is tried again.
 * @returns the names of the migrations that were run
 */
export async function runMigrations(dataSource: DataSource): Promise<string[]> {
  for (let tries = 1; ; tries++) {
    try {
      return await runOnce(dataSource);
    } catch (error) {
      if (codeOf(error) !== LOCK_NOT_AVAILABLE) throw error;
      if (tries === MAX_TRIES)
        throw new Error(`The migrations found no moment without a long transaction in ${MAX_TRIES} tries`, {
          cause: error,
        });
      // Not in step with the reader that was in the way, nor with another instance.
      await delay(LOCK_TIMEOUT_MS * (0.5 + Math.random()));
    }
  }
}

/** {@link runMigrations} on a connection of its own: a migration may take longer than a pool waits for any statement of a request. */
export async function migrateFirst(options: DataSourceOptions): Promise<string[]> {
  const { extra } = options as { extra?: { options?: string } };
  const patient = new DataSource({ ...options, poolSize: 1, extra: { options: extra?.options } } as DataSourceOptions);
  await patient.initialize();
  return runMigrations(patient).finally(() => patient.destroy());
}

function runOnce(dataSource: DataSource): Promise<string[]> {
  return dataSource.transaction(async (manager) => {
    // Both the wait for another instance and a migration itself may take longer than any statement of a request.
    await manager.query('SET LOCAL statement_timeout = 0');
    await manager.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    await manager.query("SELECT pg_advisory_xact_lock(hashtext('ratchet'), hashtext($1))", [
      `${dataSource.driver.schema ?? ''} migrations`,
    ]);
    // Behind a migration that waits for a long reader, every request would wait, too.
    await manager.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
    // Before TypeORM's own table, which is in it.
    const { schema } = dataSource.driver;
    if (schema !== undefined) await createSchema(manager, schema);
    const migrations = await new MigrationExecutor(dataSource, manager.queryRunner).executePendingMigrations();
    return migrations.map(({ name }) => name);
  });
}
