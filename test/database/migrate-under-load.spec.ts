import { refreshBesideAMigration } from '../support/database/waiting-migration';

// Seen red without `lock_timeout`: refreshes waited behind the migration until they were 503.
it('refreshes are granted while a migration waits for a long reader of their table, however often it tries', async () => {
  const { refused, done } = await refreshBesideAMigration((tries) => tries >= 2);
  expect(refused).toEqual([]);
  expect(done).toEqual(['Widening1900000000000']);
  // Two waits for a lock, and a first start of the package, on a machine that may be busy.
}, 90_000);
