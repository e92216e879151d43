import { Client } from 'pg';
import type { AuthEventLog, AuthEventPage, EventCount, EventFilter, EventOrder } from '../../src';
import { onPostgres } from '../ports/adapters';
import { sentAbout, workFor } from '../support/database/plans';
import { freshDatabase, type TestDatabase } from '../support/database/test-database';
import { seedTrail } from '../support/database/trail';

const MAX_BUFFERS = 2_000;
const PAGE = 50;
/** In the middle of a month, as is the beginning: of a month that has a few hours of rows, PostgreSQL reads all. */
const UNTIL = new Date('2026-06-15T12:00:00Z');

/** How PostgreSQL finds the pages of a trail with so many rows. */
export function describeTrail(rows: number): void {
  describe(`A page of a trail with ${rows.toLocaleString('en')} rows`, () => {
    let database: TestDatabase;
    let client: Client;
    let log: AuthEventLog;
    let filters: [string, EventFilter][];
    beforeAll(async () => {
      database = await freshDatabase();
      client = new Client({ connectionString: database.url });
      await client.connect();
      filters = (await seedTrail(client, rows, UNTIL)).filters();
      ({ log } = onPostgres(await database.connect(1)));
    }, 300_000);
    afterAll(async () => {
      await client.end();
      await database.close();
    });

    /** The work for a page, and the page. */
    async function page(filter: EventFilter, order: EventOrder, after?: AuthEventPage['next']) {
      let found: AuthEventPage = { items: [], next: null };
      const sent = await sentAbout(
        'auth_events',
        async () => (found = await log.find(filter, PAGE, after ?? undefined, order)),
      );
      expect(sent).toHaveLength(1);
      expect(sent[0]!.name).toBeUndefined();
      return { found, ...(await workFor(client, sent[0]!)) };
    }

    // Seen red without the index of sessions, of users and of types.
    it.each(['newest first', 'oldest first'] as const)(
      'is found by an index and few blocks, by every filter, %s, and so is the next one',
      async (order) => {
        const dear: unknown[] = [];
        for (const [name, filter] of filters) {
          const first = await page(filter, order);
          const pages = first.found.next === null ? [first] : [first, await page(filter, order, first.found.next)];
          for (const { buffers, readWithoutIndex } of pages)
            if (buffers > MAX_BUFFERS || readWithoutIndex > 0) dear.push({ name, buffers, readWithoutIndex });
        }
        expect(dear).toEqual([]);
      },
    );

    it.each([
      ['type that never was', /type_occurred_at_idx$/],
      ['type token.reuse_detected', /type_occurred_at_idx$/],
      ['outcome failed', /\d_occurred_at_idx$/],
    ])('is found by the partial index that is for it: %s', async (name, index) => {
      const [, filter] = filters.find(([known]) => known === name)!;
      for (const order of ['newest first', 'oldest first'] as const)
        expect((await page(filter, order)).indexes).toContainEqual(expect.stringMatching(index));
    });

    // Seen red with a statement that does not say what the index leaves out.
    it('has its histogram by the partial index of types alone', async () => {
      const from = new Date(UNTIL.getTime() - 24 * 3_600_000);
      let counted: readonly EventCount[] = [];
      const sent = await sentAbout('auth_events', async () => (counted = await log.countRare(from, 24, 10_000)));
      expect(sent).toHaveLength(1);
      expect(counted.map(({ type }) => type)).toContain('auth.login.failed.v1');
      const { buffers, indexes, readWithoutIndex } = await workFor(client, sent[0]!);
      expect(readWithoutIndex).toBe(0);
      expect(indexes.filter((index) => !index.endsWith('type_occurred_at_idx'))).toEqual([]);
      expect(buffers).toBeLessThan(MAX_BUFFERS);
    });

    it('has no statement where type and outcome contradict each other', async () => {
      const search = () => log.find({ type: 'auth.token_refresh.succeeded.v1', outcome: 'failed' }, PAGE);
      expect(await sentAbout('auth_events', search)).toEqual([]);
    });
  });
}
