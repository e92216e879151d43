import type { DataSource } from 'typeorm';
import { UserDirectory, type UserTable } from '../../src';
import { names } from '../../src/auth/infrastructure/postgres/names';
import { refreshStatements } from '../../src/auth/infrastructure/postgres/refresh-statements';
import { newSession, onPostgres } from '../ports/adapters';
import { SCHEMA, testDatabase, type TestDatabase } from '../support/database/test-database';

const UUID = '0199aaaa-0000-7000-8000-00000000000a';

const TABLES: { idType: UserTable['idType']; column: string; known: string[]; nobody: string[] }[] = [
  { idType: 'text', column: 'text', known: ['ann', 'Ann', "O'Neill", '7'], nobody: ['ANN', '07'] },
  {
    idType: 'text',
    column: 'varchar(40)',
    known: ['clh3x0q1a0000qzrmn831i7rn'],
    nobody: ['CLH3X0Q1A0000QZRMN831I7RN'],
  },
  {
    idType: 'uuid',
    column: 'uuid',
    known: [UUID],
    // PostgreSQL would read each of them, but never print it.
    nobody: [UUID.toUpperCase(), `{${UUID}}`, UUID.replaceAll('-', ''), 'ann', '7'],
  },
  {
    idType: 'integer',
    column: 'integer',
    known: ['0', '7', '-7', '2147483647'],
    nobody: [
      'abc',
      '07',
      ' 7',
      '7.0',
      '1e3',
      '2147483648',
      '9223372036854775808',
      '9'.repeat(19),
      '9'.repeat(128),
      '-0',
    ],
  },
  {
    idType: 'bigint',
    column: 'bigint',
    known: ['1', '9223372036854775807', '-9223372036854775808'],
    nobody: ['9223372036854775808', '-9223372036854775809', '9'.repeat(128), 'ann'],
  },
];

// Seen red with casts of any text, and with the table's side cast instead of auth's.
describe.each(TABLES)('a refresh that reads users by a $column', ({ idType, column, known, nobody }) => {
  const joinable: UserTable = {
    schema: 'people of ours',
    table: 'Person',
    id: 'personId',
    idType,
    email: 'mail',
    roles: 'roles',
    isActive: 'active',
  };
  class People extends UserDirectory {
    override readonly joinable = joinable;
    findById = () => Promise.reject(new Error('asked'));
    findByLogin = () => Promise.reject(new Error('asked'));
    replacePasswordHash = () => Promise.reject(new Error('asked'));
  }
  let database: TestDatabase;
  let dataSource: DataSource;
  beforeAll(async () => {
    database = await testDatabase();
    dataSource = await database.connect();
    await dataSource.query('CREATE SCHEMA "people of ours"');
    await dataSource.query(
      `CREATE TABLE "people of ours"."Person" ("personId" ${column} PRIMARY KEY, mail text, roles text[], active boolean)`,
    );
    for (const id of known)
      await dataSource.query(`INSERT INTO "people of ours"."Person" VALUES ($1, 'a@b.c', '{user}', true)`, [id]);
  });
  afterAll(() => database.close());

  const readingOf = async (userId: string) => {
    const { sessions } = onPostgres(dataSource, {}, new People());
    const { id } = await sessions.open(newSession({ userId }));
    return sessions.findForRefresh(id);
  };

  it('finds each of them, by the id as auth has it', async () => {
    for (const id of known)
      expect((await readingOf(id))?.user).toEqual({ id, email: 'a@b.c', roles: ['user'], isActive: true });
  });

  it('finds nobody behind any other text, and does not fail', async () => {
    for (const id of nobody) expect([id, (await readingOf(id))?.user]).toEqual([id, null]);
  });

  it('looks the user up by the index of the table', async () => {
    const statements = refreshStatements(names(SCHEMA), new People(), `now() - interval '1 day'`);
    await dataSource.transaction(async (manager) => {
      await manager.query('SET LOCAL enable_seqscan = off');
      await manager.query('SET LOCAL plan_cache_mode = force_generic_plan');
      await manager.query(`PREPARE reading (uuid) AS ${statements.find(1).text}`);
      const plan = await manager.query<Record<string, string>[]>(`EXPLAIN EXECUTE reading ('${UUID}')`);
      await manager.query('DEALLOCATE reading');
      const lines = plan.map((line) => line['QUERY PLAN']).join('\n');
      expect(lines).toMatch(/Index Scan using "Person_pkey"[^\n]*\n\s*Index Cond: \(+"personId"\)?(::text)? = /);
    });
  });
});
