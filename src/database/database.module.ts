import type { DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseError } from 'pg';
import { DataSource, QueryFailedError } from 'typeorm';
import { type DatabaseConfig, type DatabaseSchema, dataSourceOptions } from '../postgres/data-source';
import { migrateFirst } from '../postgres/migrate';

const STARTING_UP = '57P03';

/**
 * The DataSource of the whole application; if so configured, the schema is up to date before it is injected.
 * Nest closes it in `onApplicationShutdown`, after the hooks of all modules that are not global.
 */
export function databaseModule(database: DatabaseConfig, schema: DatabaseSchema): DynamicModule {
  const options = dataSourceOptions(database, schema);
  return TypeOrmModule.forRootAsync({
    useFactory: () => ({ ...options, toRetry: isPassing }),
    dataSourceFactory: async () => {
      if (database.migrateOnStart) await migrateFirst(options);
      return new DataSource(options).initialize();
    },
  });
}

/** A server that starts together with the application is waited for; what a running one answers will not change. */
function isPassing(error: unknown): boolean {
  return !(error instanceof QueryFailedError) && !(error instanceof DatabaseError && error.code !== STARTING_UP);
}
