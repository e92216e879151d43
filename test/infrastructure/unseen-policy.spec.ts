import type { DataSource } from 'typeorm';
import { newSession, onPostgres } from '../ports/adapters';
import { testDatabase, type TestDatabase } from '../support/database/test-database';

/** A policy that is created, and is not there all the same, as behind row-level security. */
describe('A policy that stays invisible', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let statements = 0;

  beforeAll(async () => {
    database = await testDatabase();
    dataSource = await database.connect();
    await dataSource.query(`
      CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE TRIGGER swallow BEFORE INSERT ON security_policy FOR EACH ROW EXECUTE FUNCTION swallow();
      DELETE FROM security_policy`);
    const pool = (dataSource.driver as unknown as { master: { on(event: 'acquire', count: () => void): void } }).master;
    pool.on('acquire', () => statements++);
  });
  afterAll(() => database.close());

  // Seen red, each, with a repair that reads again as often as it does not see the row: it does so for ever.
  it.each<[string, (ports: ReturnType<typeof onPostgres>) => Promise<unknown>]>([
    ['the policy is read', ({ policies }) => policies.read()],
    ['floors are read', ({ policies }) => policies.floorsOf(newSession().userId)],
    ['revocations are read', ({ feed }) => feed.read(null)],
    [
      'the floor of everyone is raised',
      ({ policies }) =>
        policies.raiseGlobalFloor({
          mode: 'immediate',
          gracePeriodSeconds: null,
          reason: 'a test',
          expectedVersion: null,
          by: 1,
        }),
    ],
    [
      'a refresh is read',
      async ({ sessions }) => {
        const { id } = await sessions.open(newSession());
        statements = 0;
        return sessions.findForRefresh(id);
      },
    ],
  ])('is created once, and then named in a sentence, when %s', async (_, work) => {
    statements = 0;
    await expect(work(onPostgres(dataSource))).rejects.toThrow('security_policy was created and still cannot be seen');
    expect(statements).toBeLessThanOrEqual(3);
  });
});
