interface Queries {
  query(statement: string, parameters?: unknown[]): Promise<unknown>;
}

/**
 * Creates a schema of PostgreSQL unless it is there. It is asked for first: `CREATE SCHEMA IF NOT EXISTS` demands the right to
 * create schemas even where there is nothing to create.
 */
export async function createSchema(database: Queries, schema: string): Promise<void> {
  const quoted = `"${schema}"`;
  const rows = await database.query('SELECT to_regnamespace($1) IS NOT NULL AS "isThere"', [quoted]);
  if ((rows as { isThere: boolean }[])[0]?.isThere !== true) await database.query(`CREATE SCHEMA ${quoted}`);
}
