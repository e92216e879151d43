import type { DataSource } from 'typeorm';

/** Notes from now on how many rows each statement of a kind changes in a table; answers how to read the notes. */
export async function statementSizes(
  dataSource: DataSource,
  table: string,
  kind: 'UPDATE' | 'DELETE',
): Promise<() => Promise<number[]>> {
  await dataSource.query(`CREATE TABLE ${table}_sizes (at serial, rows integer)`);
  await dataSource.query(`CREATE FUNCTION ${table}_sizes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO ${table}_sizes (rows) SELECT count(*) FROM touched;
      RETURN NULL;
    END $$`);
  await dataSource.query(`CREATE TRIGGER ${table}_sizes AFTER ${kind} ON ${table}
    REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION ${table}_sizes()`);
  return async () => {
    const rows = await dataSource.query<{ rows: number }[]>(`SELECT rows FROM ${table}_sizes ORDER BY at`);
    return rows.map((row) => row.rows);
  };
}
