import { existsSync } from 'node:fs';
import { DataSource } from 'typeorm';
import { authEntities, authMigrations } from './src/auth';
import { dataSourceOptions } from './src/database/data-source';
import { EMBEDDED_DATA, startEmbeddedPostgres } from './src/database/embedded-postgres';
import { userEntities, userMigrations } from './src/users';

/**
 * For the TypeORM command line alone: the application's own options, and a schema change may take its time. It waits for a
 * lock for a second, since every request would wait behind it: then run the command again.
 */
async function dataSource(): Promise<DataSource> {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const given = process.env.DATABASE_URL;
  const server = given ? { url: given, stop: async () => {} } : await startEmbeddedPostgres({ dataDir: EMBEDDED_DATA });
  const schema = { entities: [...authEntities, ...userEntities], migrations: [...authMigrations, ...userMigrations] };
  const options = dataSourceOptions({ url: server.url, poolSize: 2, migrateOnStart: false }, schema);
  const source = new DataSource({ ...options, extra: { ...options.extra, statement_timeout: 0, lock_timeout: 1000 } });
  const destroy = source.destroy.bind(source);
  // The command's last call, also after a failure; then it ends the process and waits for nothing.
  source.destroy = async () => {
    await destroy();
    await server.stop();
  };
  return source;
}

export default dataSource();
