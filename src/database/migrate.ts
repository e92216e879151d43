import { type DataSource, MigrationExecutor } from 'typeorm';

/**
 * Brings the schema up to date, all or nothing. Instances that start together wait for each other: TypeORM alone takes
 * no lock, and all but one would crash. The lock goes with the transaction, however that ends.
 * @returns the names of the migrations that were run
 */
export function runMigrations(dataSource: DataSource): Promise<string[]> {
  return dataSource.transaction(async (manager) => {
    // Both the wait for another instance and a migration itself may take longer than any statement of a request.
    await manager.query('SET LOCAL statement_timeout = 0');
    await manager.query('SET LOCAL idle_in_transaction_session_timeout = 0');
    await manager.query("SELECT pg_advisory_xact_lock(hashtext('ratchet'), hashtext('migrations'))");
    const migrations = await new MigrationExecutor(dataSource, manager.queryRunner).executePendingMigrations();
    return migrations.map(({ name }) => name);
  });
}
