import { DataSource } from 'typeorm';
import { type EventFilter, type EventOrder, POSTGRES_DEFAULTS, TypeOrmUnitOfWork } from '../src';
import { TypeOrmAuthEventLog } from '../src/auth/infrastructure/postgres/typeorm-auth-event.log';
import { tablesIn } from '../src/app.module';
import { dataSourceOptions } from '../src/postgres/data-source';
import { seedTrail } from '../test/support/database/trail';
import type { Section } from './report';
import { inRounds, type Setting } from './setting';
import { median, round, shortCount, whole } from './support/figures';
import { startServer } from './support/server-process';
import { KEYS, ratchet } from './support/servers';
import { seedSessions } from './support/sessions';

const PAGE = 50;
const CLIENTS = 16;
const ORDERS: readonly EventOrder[] = ['newest first', 'oldest first'];

/** What a page of a long trail costs by each filter, and how many bytes a refresh leaves in it. */
export async function trail(setting: Setting, rows: number): Promise<Section> {
  const refreshes = Math.ceil(rows / 20);
  const bytes = await storedBytes(setting, refreshes);
  const searches = await search(setting, rows);
  return {
    name: 'trail',
    command: `npm run bench -- --trail ${shortCount(rows)}`,
    budget: [
      {
        figure: `the slowest of all pages, of ${whole(rows)} rows`,
        value: Math.max(...searches.flatMap(({ ms }) => ms.filter((one) => !Number.isNaN(one)))),
        must: 1000,
        aim: 50,
        better: 'lower',
        digits: 1,
        unit: 'ms',
      },
      {
        figure: `stored bytes of a refresh, by ${whole(refreshes)} of a browser`,
        value: bytes,
        must: 500,
        aim: 400,
        better: 'lower',
        digits: 0,
      },
    ],
    tables: [
      {
        title: `Pages of ${PAGE} events`,
        columns: ['filter', ...ORDERS.flatMap((order) => [`${order}, ms`, 'next page, ms'])],
        rows: searches.map(({ name, ms }) => [name, ...ms.map((one) => round(one, 1))]),
      },
    ],
  };
}

interface Search {
  readonly name: string;
  /** Of the first page and the next one, the newest first, then the oldest. */
  readonly ms: readonly number[];
}

async function search({ postgres, rounds, tell }: Setting, rows: number): Promise<Search[]> {
  tell(`seeding a trail of ${whole(rows)} rows`);
  const database = await postgres.create('trail', 'migrated');
  const seeded = await seedTrail(database.client, rows, new Date());
  await database.client.query('VACUUM ANALYZE auth_events');
  await database.client.query('CHECKPOINT');

  const { schema } = POSTGRES_DEFAULTS;
  const dataSource = await new DataSource(
    dataSourceOptions({ url: database.url, poolSize: 1, migrateOnStart: false, schema }, tablesIn(schema)),
  ).initialize();
  const log = new TypeOrmAuthEventLog(new TypeOrmUnitOfWork(dataSource), POSTGRES_DEFAULTS);
  const pages = async (filter: EventFilter, order: EventOrder): Promise<[number, number]> => {
    const first = await timed(() => log.find(filter, PAGE, undefined, order));
    const { next } = first.found;
    return [first.ms, next === null ? NaN : (await timed(() => log.find(filter, PAGE, next, order))).ms];
  };
  const searches = seeded.filters().map(([name, filter]) => ({ name, filter, samples: [] as number[][] }));
  await inRounds(rounds + 1, searches, async ({ filter, samples }, turn) => {
    const all = [];
    for (const order of ORDERS) all.push(...(await pages(filter, order)));
    // The first one fills the caches.
    if (turn > 0) samples.push(all);
  });
  await dataSource.destroy();
  return searches.map(({ name, samples }) => ({
    name,
    ms: [0, 1, 2, 3].map((at) => median(samples.map((sample) => sample[at] ?? NaN))),
  }));
}

/** Of the table and its indexes, after as many refreshes as they come from clients. */
async function storedBytes({ postgres, load, sessions, tell }: Setting, requests: number): Promise<number> {
  tell(`${whole(requests)} refreshes`);
  const database = await postgres.create('trail_of_refreshes', 'migrated');
  await seedSessions(database.client, sessions);
  const server = await startServer(ratchet(postgres.folder, database.url));
  const before = await database.table('auth_events');
  const workload = { kind: 'refresh', root: KEYS.refreshRoot, sessions } as const;
  await load.run({ target: 'trail_of_refreshes', urls: [server.url], workload, clients: CLIENTS, requests });
  await server.stop();
  const after = await database.table('auth_events');
  return (after.bytes - before.bytes) / (after.rows - before.rows);
}

async function timed<T>(work: () => Promise<T>): Promise<{ found: T; ms: number }> {
  const start = performance.now();
  const found = await work();
  return { found, ms: performance.now() - start };
}
