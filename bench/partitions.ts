import { setTimeout as delay } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { names, POSTGRES_DEFAULTS, TypeOrmUnitOfWork } from '../src';
import { AuthEventPartitions } from '../src/auth/infrastructure/postgres/auth-event-partitions';
import { EventPartitions } from '../src/auth/infrastructure/postgres/event-partitions';
import { DAY, gapsBetween, isoOf, startOfDay } from '../src/auth/infrastructure/postgres/partition-plan';
import { dataSourceOptions } from '../src/postgres/data-source';
import type { Section } from './report';
import type { Setting } from './setting';
import { round, whole } from './support/figures';
import { startServer } from './support/server-process';
import { KEYS, ratchet } from './support/servers';
import { seedSessions } from './support/sessions';

const CLIENTS = 16;
/** What has no partition when the first is created; fewer than are moved at most. */
const WITHOUT_PARTITION = 3000;
const UNITS = ['month', 'day', 'week'] as const;
/** Of the past, one a day. */
const OLD = { partitions: 100, rows: 5000 };

/** How long answers take while partitions are created, change their unit, take over rows of DEFAULT, and are dropped. */
export async function partitions({ postgres, load, seconds, tell }: Setting): Promise<Section> {
  const database = await postgres.create('partitions', 'migrated');
  const sessions = 10_000;
  await seedSessions(database.client, sessions);
  const { schema } = POSTGRES_DEFAULTS;
  const dataSource = await new DataSource(
    dataSourceOptions({ url: database.url, poolSize: 2, schema }, { entities: [], migrations: [] }),
  ).initialize();
  const unitOfWork = new TypeOrmUnitOfWork(dataSource);
  const log = new EventPartitions(unitOfWork, names(schema));
  const maker = new AuthEventPartitions(unitOfWork, { ...POSTGRES_DEFAULTS });
  const server = await startServer(ratchet(postgres.folder, database.url, { AUDIT_PARTITION: 'external' }));

  const job = {
    target: 'partitions',
    urls: [server.url],
    workload: { kind: 'refresh', root: KEYS.refreshRoot, sessions },
    clients: CLIENTS,
  } as const;
  const count = async () => (await log.read()).partitions.length;
  /** Repeats `work` until the load ends, or `work` returns null; otherwise it returns whether it has done all that it should. */
  const during = async (what: string, work: (nth: number) => Promise<boolean | null>) => {
    tell(what);
    const over = new AbortController();
    const running = load.run({ ...job, seconds: 2 * seconds }).finally(() => over.abort());
    let [changed, givenUp, before] = [0, 0, await count()];
    const working = async () => {
      for (let nth = 0; !over.signal.aborted; nth++) {
        const isComplete = await work(nth);
        if (isComplete === null) break;
        if (!isComplete) givenUp++;
        const after = await count();
        changed += Math.abs(after - before);
        before = after;
      }
    };
    // Of those that read or write; what creates and drops partitions waits for exclusive locks.
    let lockMs = 0;
    const watching = async () => {
      while (!over.signal.aborted) {
        const { rows } = await database.client.query<{ ms: number }>(
          `SELECT COALESCE(max(extract(epoch FROM clock_timestamp() - waitstart) * 1000), 0)::float8 AS ms FROM pg_locks
            WHERE NOT granted AND locktype = 'relation' AND mode <> 'AccessExclusiveLock'`,
        );
        lockMs = Math.max(lockMs, rows[0]?.ms ?? 0);
        await delay(2);
      }
    };
    const [result] = await Promise.all([running, working(), watching()]);
    return { what, changed, givenUp, result, lockMs };
  };
  const { now } = await log.read();
  const today = startOfDay(now);

  await load.run({ ...job, requests: WITHOUT_PARTITION });
  const alone = await during('nothing else', async () => null);
  await database.client.query('TRUNCATE auth_events');
  await load.run({ ...job, requests: WITHOUT_PARTITION });
  const inDefault = await log.countDefault(await log.read(), 'ALL');
  const moved = await during(`${whole(inDefault)} rows leave DEFAULT`, () => maker.createAhead('month'));
  const left = await log.countDefault(await log.read(), 'ALL');
  const switched = await during('month, day, week and month again, a day at a time', (nth) =>
    maker.createAhead(UNITS[Math.floor(nth / 45) % UNITS.length] ?? 'month', now + nth * DAY),
  );
  for (let day = OLD.partitions; day > 0; day--) {
    const [from, to] = [isoOf(today - day * DAY), isoOf(today - (day - 1) * DAY)];
    await database.client.query(
      `CREATE TABLE ${schema}."old ${day}" PARTITION OF auth_events FOR VALUES FROM ('${from}') TO ('${to}')`,
    );
    await database.client.query(
      `INSERT INTO auth_events (id, type, occurred_at, user_agent, outcome)
       SELECT gen_random_uuid(), 'bench', '${from}', 'agent', 'failed' FROM generate_series(1, ${OLD.rows})`,
    );
  }
  const dropped = await during(`partitions of ${whole(OLD.rows)} rows are dropped`, async (nth) => {
    const keptDays = OLD.partitions - nth;
    if (keptDays <= 0) return null;
    const { partitions: gone } = await log.dropOlderThan((keptDays * DAY) / 1_000_000, false);
    return gone > 0 || nth === 0;
  });

  const { partitions: all } = await log.read();
  const gaps = gapsBetween(all).length - 2;
  const rows = await log.countDefault(await log.read(), 'ALL');
  await server.stop();
  await dataSource.destroy();
  const phases = [alone, moved, switched, dropped];
  const [, ...busy] = phases;
  const longest = Math.max(...busy.map(({ result }) => result.max));
  const longestWait = Math.max(...busy.map(({ lockMs }) => lockMs));
  return {
    name: 'partitions',
    command: 'npm run bench -- --partitions',
    budget: [
      {
        figure: 'longest answer meanwhile',
        value: longest,
        must: 200,
        aim: 100,
        better: 'lower',
        digits: 0,
        unit: 'ms',
      },
      {
        figure: 'longest wait for a lock of the trail meanwhile',
        value: longestWait,
        must: 200,
        aim: 100,
        better: 'lower',
        digits: 0,
        unit: 'ms',
      },
      { figure: 'rows left in DEFAULT', value: left + rows, must: 0, aim: 0, better: 'equal', digits: 0 },
      { figure: 'gaps between the partitions', value: gaps, must: 0, aim: 0, better: 'equal', digits: 0 },
    ],
    tables: [
      {
        title: `Refreshes of ${CLIENTS} clients`,
        columns: ['meanwhile', 'partitions', 'given up', 'refresh/s', 'p99 ms', 'longest ms', 'wait for a lock ms'],
        rows: phases.map(({ what, changed, givenUp, result, lockMs }) => [
          what,
          whole(changed),
          whole(givenUp),
          whole(result.requests / result.seconds),
          round(result.p99, 1),
          round(result.max, 0),
          round(lockMs, 0),
        ]),
      },
    ],
  };
}
