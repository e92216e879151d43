import type { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { onPostgres } from '../ports/adapters';
import { testDatabase, type TestDatabase } from '../support/database/test-database';

/** Whoever writes them past the port, versions only rise: the tables see to it. */
describe('the floors on PostgreSQL', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  const raise = () =>
    onPostgres(dataSource).policies.raiseGlobalFloor({
      mode: 'drain',
      gracePeriodSeconds: 60,
      reason: 'a test',
      expectedVersion: null,
      by: 4,
    });

  beforeAll(async () => {
    database = await testDatabase();
    dataSource = await database.connect();
    await raise();
  });
  afterAll(() => database.close());

  // Seen red without the trigger.
  it.each([
    ['a lower version', 'global_min_token_version = 4', 'only rises: 4 is not above 5'],
    ['version 0', 'global_min_token_version = 0', 'only rises: 0 is not above 5'],
    ['a rotation that stays at its version', 'last_rotation_at = now()', 'only rises: 5 is not above 5'],
    [
      'a rotation to the same version',
      'global_min_token_version = 5, last_rotation_at = now()',
      'only rises: 5 is not above 5',
    ],
  ])('refuse %s for everyone, and say so', async (_what, change, message) => {
    await expect(dataSource.query(`UPDATE security_policy SET ${change}`)).rejects.toThrow(message);
    expect((await onPostgres(dataSource).policies.read()).policy.globalMinTokenVersion).toBe(5);
  });

  it('take a higher version', async () => {
    expect((await raise())?.globalMinTokenVersion).toBe(9);
  });

  it.each([
    ['a lower', 1],
    ['an equal', 2],
  ])('refuse %s version for one user, and say so', async (_what, version) => {
    const userId = uuidv7();
    const { policies } = onPostgres(dataSource);
    await policies.raiseUserFloor(userId, 'a test', null);
    const set = dataSource.query('UPDATE user_token_versions SET min_token_version = $2 WHERE user_id = $1', [
      userId,
      version,
    ]);
    await expect(set).rejects.toThrow(`min_token_version of user ${userId} only rises: ${version} is not above 2`);
    expect((await policies.floorsOf(userId)).floors.userMinTokenVersion).toBe(2);
  });

  it('keep one policy', async () => {
    await expect(dataSource.query('INSERT INTO security_policy (id) VALUES (2)')).rejects.toThrow('check constraint');
  });
});
