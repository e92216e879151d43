import { refreshBesideAMigration } from '../support/database/waiting-migration';

const READER_MS = 20_000;

it('a new version that migrates while a reader holds the table for 20 s stops nobody for 2 s', async () => {
  const { refused, longestMs, done, tries } = await refreshBesideAMigration((_, ms) => ms >= READER_MS);
  process.stdout.write(
    `Beside a migration that waits ${READER_MS / 1000} s for a reader, in ${tries} tries: longest time without a 200 ${Math.round(longestMs)} ms\n`,
  );
  expect(refused).toEqual([]);
  expect(done).toEqual(['Widening1900000000000']);
  expect(tries).toBeGreaterThan(1);
  expect(longestMs).toBeLessThan(2000);
}, 60_000);
