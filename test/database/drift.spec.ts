import type { DataSource } from 'typeorm';
import { freshDatabase, testDatabase, type TestDatabase } from '../support/database/test-database';

// Seen red without one of the entities' indexes, checks or defaults, and with an expression that differs.
describe('The entities and the migrations', () => {
  let database: TestDatabase;
  let migrated: DataSource;
  beforeAll(async () => {
    database = await testDatabase();
    migrated = await database.connect();
  });
  afterAll(() => database.close());

  it('describe the same schema: `migration:generate` finds nothing to do', async () => {
    const { upQueries } = await migrated.driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });

  // `migration:generate` looks at the names alone.
  it('mean the same by each index and each check', async () => {
    const other = await freshDatabase();
    try {
      const declared = await other.connect();
      await declared.query('DROP SCHEMA public CASCADE');
      await declared.query('CREATE SCHEMA public');
      await declared.synchronize();
      expect(await definitionsIn(declared)).toEqual(await definitionsIn(migrated));
    } finally {
      await other.close();
    }
  });

  const definitionsIn = async (dataSource: DataSource): Promise<Record<string, string>> => {
    const tables = dataSource.entityMetadatas.map(({ tableName }) => tableName);
    const rows = await dataSource.query<{ name: string; definition: string }[]>(
      `SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
        WHERE contype IN ('c', 'u') AND conrelid::regclass::text = ANY($1)
       UNION ALL
       SELECT indexname, replace(indexdef, ' ON ONLY ', ' ON ') FROM pg_indexes
        WHERE tablename = ANY($1) AND indexname !~ '_pkey$|^PK_'
        ORDER BY 1, 2`, // a UNIQUE and its index share a name
      [tables],
    );
    return Object.fromEntries(rows.map(({ name, definition }) => [name, definition]));
  };
});
