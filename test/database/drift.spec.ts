import type { DataSource } from 'typeorm';
import { runMigrations } from '../../src/postgres/migrate';
import { freshDatabase, SCHEMA, testDatabase, type TestDatabase } from '../support/database/test-database';

// Seen red without one of the entities' indexes, checks or defaults, and with an expression that differs.
describe.each([SCHEMA, 'user'])('The entities and the migrations of the schema %s', (schema) => {
  let database: TestDatabase;
  let migrated: DataSource;
  beforeAll(async () => {
    database = await testDatabase();
    migrated = await database.connect(2, schema);
    await runMigrations(migrated);
  });
  afterAll(() => database.close());

  it('describe the same schema: `migration:generate` finds nothing to do', async () => {
    const { upQueries } = await migrated.driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });

  // `migration:generate` looks at the names alone.
  it('mean the same by each column, each index and each check', async () => {
    const other = await freshDatabase();
    try {
      const declared = await other.connect(2, schema);
      await declared.query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
      await declared.query(`CREATE SCHEMA "${schema}"`);
      await declared.synchronize();
      expect(await definitionsIn(declared)).toEqual(await definitionsIn(migrated));
    } finally {
      await other.close();
    }
  });

  it('go together, and what they leave of the schema can be migrated again', async () => {
    const again = await freshDatabase();
    try {
      const dataSource = await again.connect(2, schema);
      await runMigrations(dataSource);
      while ((await dataSource.query(`SELECT FROM "${schema}".migrations`)).length > 0)
        await dataSource.undoLastMigration();
      const left = await dataSource.query(
        `SELECT relname AS name FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p')
         UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = $1::regnamespace`,
        [`"${schema}"`],
      );
      expect(left).toEqual([{ name: 'migrations' }]);
      expect(await runMigrations(dataSource)).toHaveLength(2);
    } finally {
      await again.close();
    }
  });

  const definitionsIn = async (dataSource: DataSource): Promise<Record<string, string>> => {
    const tables = dataSource.entityMetadatas.map(({ tableName }) => tableName);
    const rows = await dataSource.query<{ name: string; definition: string }[]>(
      `SELECT table_name || '.' || column_name AS name,
              concat_ws(' ', data_type, udt_name, is_nullable, column_default) AS definition
         FROM information_schema.columns WHERE table_schema = $1 AND table_name = ANY($2)
       UNION ALL
       SELECT conname, pg_get_constraintdef(c.oid) FROM pg_constraint c JOIN pg_class r ON r.oid = conrelid
        WHERE contype IN ('c', 'u') AND relnamespace::regnamespace = quote_ident($1)::regnamespace AND relname = ANY($2)
       UNION ALL
       SELECT indexname, replace(indexdef, ' ON ONLY ', ' ON ') FROM pg_indexes
        WHERE schemaname = $1 AND tablename = ANY($2) AND indexname !~ '_pkey$|^PK_'
        ORDER BY 1, 2`, // a UNIQUE and its index share a name
      [schema, tables],
    );
    expect(rows.length).toBeGreaterThan(60);
    return Object.fromEntries(rows.map(({ name, definition }) => [name, definition]));
  };
});
