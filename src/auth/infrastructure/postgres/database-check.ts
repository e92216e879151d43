import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { Pool, PoolClient } from 'pg';
import type { DataSource } from 'typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver';
import { PostgresSettings } from '../../options/postgres.settings';
import { type DatabaseFacts, databaseProblems } from './database-problems';
import { names } from './names';
import { OWN_TYPES } from './own-types';
import { isPooled, POOLED_STATEMENTS } from './pooler';
import { authSchema } from './schema';
import { TypeOrmUnitOfWork } from './typeorm-unit-of-work';

/** Stops the start on a DataSource, a database or a role that auth cannot work with, and says what to set; warns of a pooler. */
@Injectable()
export class DatabaseCheck implements OnModuleInit {
  constructor(
    private readonly unitOfWork: TypeOrmUnitOfWork,
    private readonly settings: PostgresSettings,
  ) {}

  async onModuleInit(): Promise<void> {
    const { dataSource } = this.unitOfWork;
    const { schema, preparedStatements } = this.settings;
    const problems = await problemsOfDatabase(dataSource, schema);
    if (problems.length > 0) {
      throw new Error(
        `AuthModule cannot use the DataSource:\n${problems.map((problem) => `  - ${problem}`).join('\n')}\n` +
          'If your application needs a setting as it is, give auth a DataSource of its own with `dataSource`, or a database of its own with `database: { url }`.',
      );
    }
    if (preparedStatements && (await withClient(dataSource, isPooled)))
      new Logger(DatabaseCheck.name).warn(`The database: ${POOLED_STATEMENTS}`);
  }
}

/**
 * What auth cannot work with, as sentences that say what to set; an empty list is a database that auth can use.
 * @internal
 */
export async function problemsOfDatabase(dataSource: DataSource, schema: string): Promise<string[]> {
  const { entities } = authSchema({ schema });
  return databaseProblems(await factsOf(dataSource, schema), names(schema), entities);
}

type StoredFacts = Pick<DatabaseFacts, 'role' | 'dateStyle' | 'isReadOnly' | 'mayUseSchema' | 'tables'>;

/** One JSON, which can be read even where values come in binary. */
const FACTS = `
  SELECT json_build_object(
           'role', current_user,
           'dateStyle', current_setting('DateStyle'),
           'isReadOnly', current_setting('default_transaction_read_only') = 'on',
           'mayUseSchema', has_schema_privilege(to_regnamespace($1), 'USAGE'),
           'tables', (SELECT COALESCE(json_object_agg(relname, json_build_object(
                        'columns', (SELECT json_agg(attname) FROM pg_attribute
                                     WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped),
                        'privileges', (SELECT COALESCE(json_agg(privilege), '[]')
                                         FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS privilege
                                        WHERE has_table_privilege(pg_class.oid, privilege)))), '{}')
                        FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p'))) AS facts`;

/** A connection of the pool, for what TypeORM does not show of it. @internal */
export async function withClient<T>(dataSource: DataSource, look: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await ((dataSource.driver as PostgresDriver).master as Pool).connect();
  try {
    return await look(client);
  } finally {
    client.release();
  }
}

const factsOf = (dataSource: DataSource, schema: string): Promise<DatabaseFacts> =>
  withClient(dataSource, async (client) => {
    const { rows } = await client.query<{ facts: StoredFacts }>({
      text: FACTS,
      values: [`"${schema}"`],
      types: OWN_TYPES,
    });
    const [row] = rows;
    if (row === undefined) throw new Error('A SELECT without a table returned no row');
    const { entityPrefix = '' } = dataSource.options as PostgresDataSourceOptions;
    const entities = dataSource.entityMetadatas.map(
      ({ name, schema, tableName, columns }) =>
        [
          name,
          {
            table: `${schema}.${tableName}`,
            columns: Object.fromEntries(columns.map(({ propertyName, databaseName }) => [propertyName, databaseName])),
          },
        ] as const,
    );
    return {
      ...row.facts,
      entities: new Map(entities),
      entityPrefix,
      isNative: 'native' in client,
      isBinary: (client as { binary?: unknown }).binary === true,
    };
  });
