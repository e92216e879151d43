import { existsSync } from 'node:fs';
import { DataSource } from 'typeorm';
import { tablesIn } from './src/app.module';
import { POSTGRES_DEFAULTS } from './src/auth';
import { dataSourceOptions } from './src/postgres/data-source';
import { EMBEDDED_DATA, startEmbeddedPostgres } from './src/database/embedded-postgres';
import { createSchema } from './src/postgres/create-schema';

/**
 * For the TypeORM command line alone: the application's own options, and a schema change may take its time. It waits for a
 * lock for a second, since every request would wait behind it: then run the command again.
 */
async function dataSource(): Promise<DataSource> {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const given = process.env.DATABASE_URL;
  const server = given ? { url: given, stop: async () => {} } : await startEmbeddedPostgres({ dataDir: EMBEDDED_DATA });
  const schema = process.env.DATABASE_SCHEMA ?? POSTGRES_DEFAULTS.schema;
  const options = dataSourceOptions({ url: server.url, poolSize: 2, migrateOnStart: false, schema }, tablesIn(schema));
  const source = new DataSource({ ...options, extra: { ...options.extra, statement_timeout: 0, lock_timeout: 1000 } });
  const initialize = source.initialize.bind(source);
  // The schema first: TypeORM's own table is in it.
  source.initialize = async () => {
    await initialize();
    await createSchema(source, schema);
    return source;
  };
  const destroy = source.destroy.bind(source);
  // The command's last call, also after a failure; then it ends the process and waits for nothing.
  source.destroy = async () => {
    await destroy();
    await server.stop();
  };
  return source;
}

export default dataSource();
