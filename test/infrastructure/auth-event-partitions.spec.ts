import { readFileSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { Attempt, LoginAttempted, POSTGRES_DEFAULTS, type PostgresSettings, TypeOrmUnitOfWork } from '../../src';
import { AuthEventPartitions } from '../../src/auth/infrastructure/postgres/auth-event-partitions';
import { EventPartitions } from '../../src/auth/infrastructure/postgres/event-partitions';
import { names } from '../../src/auth/infrastructure/postgres/names';
import { DAY, isoOf, type PartitionUnit, startOfDay } from '../../src/auth/infrastructure/postgres/partition-plan';
import { onPostgres } from '../ports/adapters';
import { administer, SCHEMA, testDatabase, type TestDatabase } from '../support/database/test-database';
import { until } from '../support/until';

const DAY_SECONDS = 24 * 60 * 60;

describe('the partitions of the event log', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  /** On the server's clock. */
  let today: number;
  let warned: jest.SpyInstance;

  beforeEach(async () => {
    database = await testDatabase();
    dataSource = await database.connect();
    warned = jest.spyOn(Logger.prototype, 'warn').mockImplementation();
    today = startOfDay((await read()).now);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await database.close();
  });

  const on = (one: DataSource) => new EventPartitions(new TypeOrmUnitOfWork(one), names(SCHEMA));
  const read = () => on(dataSource).read();
  const maker = (auditPartition: PostgresSettings['auditPartition'] = 'month', one = dataSource) =>
    new AuthEventPartitions(new TypeOrmUnitOfWork(one), { ...POSTGRES_DEFAULTS, schema: SCHEMA, auditPartition });
  async function start(unit: PostgresSettings['auditPartition'] = 'month', count = 1, one = dataSource): Promise<void> {
    const all = Array.from({ length: count }, () => maker(unit, one));
    await Promise.all(all.map((each) => each.onApplicationBootstrap()));
    await Promise.all(all.map((each) => each.onApplicationShutdown()));
  }
  const warnings = () => warned.mock.calls.map(([text]) => String(text));

  const bounds = async () => (await read()).partitions.map(({ from, to }) => ({ from, to }));
  /** The partitions follow each other from today on for so many days. */
  const expectCover = async (days: number, from = today) => {
    let end = from;
    for (const one of (await bounds()).filter(({ to }) => to > from)) {
      expect(one.from).toBeLessThanOrEqual(end);
      end = one.to;
    }
    expect(end).toBeGreaterThanOrEqual(from + days * DAY);
  };
  const tables = async () => {
    const rows = await dataSource.query<{ name: string }[]>(
      `SELECT relname AS name FROM pg_class
        WHERE relnamespace = 'ratchet'::regnamespace AND relkind = 'r' AND relname ~ '^auth_events_' ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  };
  const day = (instant: number) => `auth_events_${isoOf(instant).slice(0, 10).replaceAll('-', '_')}`;
  const insert = (times: readonly number[]) =>
    dataSource.query(
      `INSERT INTO auth_events (id, type, occurred_at, user_agent, outcome)
       SELECT gen_random_uuid(), 'a.test.v1', time, 'agent', 'failed' FROM unnest($1::timestamptz[]) AS time`,
      [times.map(isoOf)],
    );
  /** The tables that hold rows, and how many. */
  const rows = async () => {
    const found = await dataSource.query<{ name: string; count: number }[]>(
      `SELECT relname AS name, count(*)::integer AS count FROM auth_events e JOIN pg_class c ON c.oid = e.tableoid GROUP BY 1`,
    );
    return Object.fromEntries(found.map(({ name, count }) => [name, count]));
  };
  const past = async (from: number, to: number, table = day(from)) => {
    await dataSource.query(
      `CREATE TABLE "${table}" PARTITION OF auth_events FOR VALUES FROM ('${isoOf(from)}') TO ('${isoOf(to)}')`,
    );
    await insert([from, to - 1]);
    return table;
  };

  it('are created from today on, by as many instances as start together', async () => {
    await start('month', 4);
    await start();
    expect(warnings()).toEqual([]);
    await expectCover(31);
    expect((await tables())[0]).toBe(day(today));
    await insert([today, today + DAY - 1]);
    expect(await rows()).toEqual({ [day(today)]: 2 });
  });

  it('have the indexes of the log, which are not built a second time', async () => {
    await start('day');
    const indexes = await dataSource.query<{ parent: string; count: number; alone: number }[]>(
      `SELECT COALESCE(inhparent::regclass::text, 'none') AS parent, count(*)::integer AS count
         FROM pg_index JOIN pg_class ON pg_class.oid = indrelid LEFT JOIN pg_inherits ON inhrelid = indexrelid
        WHERE relname = '${day(today)}' GROUP BY 1 ORDER BY 1`,
    );
    expect(indexes).toEqual(
      ['failed', 'pkey', 'session', 'type', 'user'].map((name) => ({ parent: `auth_events_${name}`, count: 1 })),
    );
  });

  // Seen red with PARTITION OF.
  it('are created while somebody writes', async () => {
    await start('day');
    const { unitOfWork, log } = onPostgres(await database.connect(1));
    await unitOfWork.run(async () => {
      await log.append([anEvent(new Date())]);
      await start('month');
    });
    expect(warnings()).toEqual([]);
    await expectCover(31);
  });

  // Seen red without a limit to the wait: the lock that waits lets nobody else in.
  it('are created a minute later rather than while somebody reads all of the log, since other readers would wait', async () => {
    const timer = jest.spyOn(globalThis, 'setTimeout');
    const waits = () => timer.mock.calls.map(([, ms]) => ms).filter((ms) => Number(ms) >= 60_000);
    const one = maker();
    const { unitOfWork } = onPostgres(await database.connect(1));
    await unitOfWork.run(async () => {
      await unitOfWork.manager.query('SELECT count(*) FROM auth_events');
      await one.onApplicationBootstrap();
    });
    expect(warnings().length).toBeGreaterThan(0);
    expect(await bounds()).toEqual([]);
    expect(waits()).toEqual([60_000]);
    timer.mock.calls.find(([, ms]) => ms === 60_000)![0]();
    await until(() => waits().length === 2);
    await one.onApplicationShutdown();
    await expectCover(31);
    expect(waits()).toEqual([60_000, 3_600_000]);
  });

  it('are neither created nor dropped where others do that', async () => {
    await start('external');
    expect(await bounds()).toEqual([]);
  });

  describe('with rows in DEFAULT', () => {
    it('take them along, and leave the others', async () => {
      const wrong = [Date.UTC(1999, 0, 1) * 1000, Date.UTC(2131, 0, 1) * 1000];
      await insert([...wrong, today - 1, today, today + DAY - 1, today + DAY]);
      await start('day');
      expect(warnings()).toEqual([]);
      expect(await rows()).toEqual({ auth_events_default: 3, [day(today)]: 2, [day(today + DAY)]: 1 });
    });

    // Fault 3: PARTITION OF failed for ever after one such event.
    it('are created although an event with a wrong date has been there first', async () => {
      await insert([today + 10 * DAY]);
      await start('month');
      expect(warnings()).toEqual([]);
      await expectCover(31);
      expect((await rows()).auth_events_default).toBeUndefined();
    });

    it('leave more than 10,000 of a day to people, and say so once', async () => {
      const crowded = [today, today + 3 * DAY];
      for (const from of crowded) await insert(Array.from({ length: 10_001 }, (_, n) => from + n));
      const one = maker('month');
      expect(await one.createAhead('month')).toBe(true);
      expect(await one.createAhead('month')).toBe(true);
      expect(warnings()).toEqual([
        expect.stringMatching(/^The DEFAULT partition .* more than 10,000 events of one day/),
      ]);
      expect(await rows()).toEqual({ auth_events_default: 20_002 });
      expect((await bounds()).map(({ from }) => from).slice(0, 3)).toEqual([1, 2, 4].map((days) => today + days * DAY));
      await expectCover(27, today + 4 * DAY);
    });

    it('move exactly, however many are being written', async () => {
      const { log } = onPostgres(dataSource);
      await insert(Array.from({ length: 5000 }, (_, n) => today + n));
      let written = 0;
      const over = new AbortController();
      const write = async () => {
        while (!over.signal.aborted) {
          await log.append([anEvent(new Date())]);
          written++;
        }
      };
      const work = [write(), write(), write()];
      await until(() => written > 20);
      const one = maker('day', await database.connect(2));
      while (!(await one.createAhead('day')));
      const before = written;
      await until(() => written > before + 20);
      over.abort();
      await Promise.all(work);
      expect(await rows()).toEqual({ [day(today)]: 5000 + written });
    });

    // Seen red with the lock of ATTACH alone, where the insert failed with 23514, and with one that lets readers pass, where
    // the rows were in neither of the two.
    it('are found by those who read or write meanwhile', async () => {
      await insert([today, today + 1]);
      const { log } = onPostgres(dataSource);
      const one = maker('day', await database.connect(2));
      const holder = onPostgres(await database.connect(1)).unitOfWork;
      const waiting = async () => {
        const [found] = await dataSource.query<{ count: number }[]>(
          `SELECT count(*)::integer AS count FROM pg_locks
            WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        );
        return found!.count;
      };
      let written = 0;
      for (let isCreated = false; !isCreated;) {
        let isOver = false;
        const [creating, meanwhile] = await holder.run(async () => {
          await holder.manager.query('SELECT FROM auth_events_default');
          const creating = one.createAhead('day').finally(() => (isOver = true));
          await until(async () => isOver || (await waiting()) === 1);
          const meanwhile = Promise.all([rows(), log.append([anEvent(new Date())])]);
          written++;
          await until(async () => isOver || (await waiting()) === 3);
          return [[creating], [meanwhile]] as const;
        });
        isCreated = await creating[0];
        const [found] = await meanwhile[0];
        const count = Object.values(found).reduce((sum, each) => sum + each, 0);
        expect([2 + written - 1, 2 + written]).toContain(count);
      }
      expect(await rows()).toEqual({ [day(today)]: 2 + written });
    });
  });

  it('are possible again after what docs/operations.md says about a large DEFAULT', async () => {
    const blocks = [...readFileSync('docs/operations.md', 'utf8').matchAll(/```sql\n([^]*?)```/g)].map(
      ([, sql = '']) => sql,
    );
    const statements = blocks.find((sql) => sql.includes('auth_events_old')) ?? '';
    await insert([Date.UTC(1999, 0, 1) * 1000, today]);
    // One by one until BEGIN: as one message they would be one transaction.
    const [before = '', within = '', after = ''] = statements.split(/(BEGIN;[^]*COMMIT;)/);
    for (const statement of [...before.split('\n'), within, after]) await dataSource.query(statement);
    expect(await rows()).toEqual({ auth_events_old: 2 });
    await insert([Date.UTC(2131, 0, 1) * 1000]);
    expect(await rows()).toEqual({ auth_events_old: 2, auth_events_default: 1 });
    await start('month');
    await expectCover(31);
    const indexes = await dataSource.query(
      `SELECT FROM pg_index LEFT JOIN pg_inherits ON inhrelid = indexrelid
        WHERE indrelid = 'auth_events_old'::regclass AND inhparent IS NULL`,
    );
    expect(indexes).toEqual([]);
  });

  // Month, day, week and month again while a clock that runs a thousand times too fast stamps what is written.
  it('follow each other without a gap or an overlap when their unit changes, and nothing goes to DEFAULT', async () => {
    const { log } = onPostgres(await database.connect(4));
    const begin = today - 200 * DAY;
    let now = begin;
    let written = 0;
    const over = new AbortController();
    const isOver = () => over.signal.aborted;
    const other = await database.connect(2);
    const one = maker('month', other);
    const create = async (unit: PartitionUnit) => {
      while (!(await one.createAhead(unit, now)));
    };
    const write = async () => {
      while (!isOver()) {
        await log.append([anEvent(new Date(now / 1000))]);
        written++;
      }
    };
    await create('month');
    const work = [write(), write()];
    for (const [unit, days] of [
      ['month', 40],
      ['day', 60],
      ['week', 40],
      ['month', 40],
    ] as const) {
      const end = now + days * DAY;
      for (; now < end; now += 5 * DAY) {
        await create(unit);
        if (now % (3 * 5 * DAY) === 0) await create('day'); // another instance, which still has the old unit
      }
      const before = written;
      await until(() => written > before + 10);
    }
    over.abort();
    await Promise.all(work);
    const found = await rows();
    expect(found.auth_events_default).toBeUndefined();
    expect(Object.values(found).reduce((sum, count) => sum + count, 0)).toBe(written);
    const all = await bounds();
    all.slice(1).forEach(({ from }, nth) => expect(from).toBe(all[nth]!.to));
    const lengths = all.map(({ from, to }) => (to - from) / DAY);
    expect([lengths.includes(1), lengths.includes(7), Math.max(...lengths) >= 28]).toEqual([true, true, true]);
    expect(warnings()).toEqual([]);
  });

  it('are read from the catalogue, whatever the names, the time zone and the style of dates', async () => {
    await dataSource.query(
      `CREATE TABLE "auth_events_2001_01_01 'odd'" PARTITION OF auth_events
         FOR VALUES FROM (MINVALUE) TO ('${isoOf(today + DAY / 4)}')`,
    );
    await dataSource.query(`CREATE TABLE public.elsewhere PARTITION OF auth_events
      FOR VALUES FROM ('${isoOf(today + 3 * DAY)}') TO ('${isoOf(today + 4 * DAY + 1)}')`);
    const name = new URL(database.url).pathname.slice(1);
    await administer(
      `ALTER DATABASE "${name}" SET DateStyle = 'SQL, DMY'`,
      `ALTER DATABASE "${name}" SET TimeZone = 'Asia/Kolkata'`,
      `ALTER DATABASE "${name}" SET default_transaction_isolation = 'serializable'`,
      `ALTER DATABASE "${name}" SET default_transaction_read_only = on`,
    );
    const elsewhere = await database.connect();
    expect((await on(elsewhere).read()).partitions).toMatchObject([
      { table: `ratchet."auth_events_2001_01_01 'odd'"`, from: -Infinity, to: today + DAY / 4 },
      { table: 'public.elsewhere', from: today + 3 * DAY, to: today + 4 * DAY + 1 },
    ]);
    await start('month', 1, elsewhere);
    expect(warnings()).toEqual([]);
    const all = await bounds();
    all.slice(1).forEach(({ from }, nth) => expect(from).toBe(all[nth]!.to));
    await expectCover(31);
  });

  it('have another name where theirs is taken', async () => {
    await dataSource.query(`CREATE TABLE "${day(today)}" ()`);
    await start('day');
    expect(warnings()).toEqual([]);
    await insert([today]);
    expect(await rows()).toEqual({ [`${day(today)}_2`]: 1 });
  });

  describe('for a role that may only read and write', () => {
    let asRole: DataSource;
    beforeEach(async () => {
      const role = `dml_${process.env.JEST_WORKER_ID}`;
      await administer(
        `DO $$ BEGIN CREATE ROLE ${role} LOGIN PASSWORD '${role}'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
      );
      await dataSource.query(`GRANT USAGE ON SCHEMA ratchet TO ${role}`);
      await dataSource.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ratchet TO ${role}`);
      asRole = await database.connect(2, SCHEMA, role);
    });

    it('are used as they are, without a word', async () => {
      await start('month');
      const made = await tables();
      await start('month', 1, asRole);
      expect(warnings()).toEqual([]);
      expect(await tables()).toEqual(made);
      await onPostgres(asRole).log.append([anEvent(new Date())]);
      expect(await rows()).toEqual({ [day(today)]: 1 });
    });

    it('are missed in one warning, and their events go to DEFAULT', async () => {
      const one = maker('month', asRole);
      await one.createAhead('month');
      await one.createAhead('month');
      expect(warnings()).toEqual([expect.stringContaining('may not create partitions')]);
      await onPostgres(asRole).log.append([anEvent(new Date())]);
      expect(await rows()).toEqual({ auth_events_default: 1 });
    });
  });

  describe('past retention', () => {
    it('are counted in a dry run and dropped in earnest: whole ones, by their upper bound', async () => {
      await start();
      const recent = await past(today - 20 * DAY, today - 10 * DAY);
      await past(today - 40 * DAY, today - 20 * DAY);
      await past(today - 70 * DAY, today - 40 * DAY, 'of any name');
      const { log } = onPostgres(dataSource);
      expect(await log.dropOlderThan(30 * DAY_SECONDS, true)).toEqual({ partitions: 1, rows: 0 });
      expect(await tables()).toContain(recent);
      expect(await log.dropOlderThan(15 * DAY_SECONDS, true)).toEqual({ partitions: 2, rows: 0 });
      expect(await log.dropOlderThan(15 * DAY_SECONDS, false)).toEqual({ partitions: 2, rows: 0 });
      expect(await log.dropOlderThan(15 * DAY_SECONDS, false)).toEqual({ partitions: 0, rows: 0 });
      expect(Object.keys(await rows())).toEqual([recent]);
      expect(await tables()).toHaveLength((await bounds()).length + 1);
    });

    // Seen red without DEFAULT in it.
    it('have their like in DEFAULT, whose rows are deleted, in batches', async () => {
      await insert(Array.from({ length: 2500 }, (_, n) => today - 100 * DAY + n));
      await insert([Date.UTC(1999, 0, 1) * 1000, Date.UTC(2131, 0, 1) * 1000, today - DAY]);
      const { log } = onPostgres(dataSource);
      expect(await log.dropOlderThan(30 * DAY_SECONDS, true)).toEqual({ partitions: 0, rows: 2501 });
      expect(await log.dropOlderThan(30 * DAY_SECONDS, false)).toEqual({ partitions: 0, rows: 2501 });
      expect(await log.dropOlderThan(30 * DAY_SECONDS, false)).toEqual({ partitions: 0, rows: 0 });
      expect(await rows()).toEqual({ auth_events_default: 2 });
    });

    it('stay as they are once the clean-up is stopped', async () => {
      const table = await past(today - 40 * DAY, today - 20 * DAY);
      await insert([today - 100 * DAY]);
      const { log } = onPostgres(dataSource);
      expect(await log.dropOlderThan(DAY_SECONDS, false, AbortSignal.abort())).toEqual({ partitions: 0, rows: 0 });
      expect(await rows()).toEqual({ [table]: 2, auth_events_default: 1 });
    });

    it('are dropped once when two clean up at once', async () => {
      for (let n = 10; n > 0; n--) await past(today - (30 + n) * DAY, today - (29 + n) * DAY);
      const all = await Promise.all(
        [onPostgres(dataSource), onPostgres(dataSource), onPostgres(await database.connect())].map(({ log }) =>
          log.dropOlderThan(2 * DAY_SECONDS, false),
        ),
      );
      expect(all.reduce((sum, { partitions }) => sum + partitions, 0)).toBe(10);
      expect(await tables()).toEqual(['auth_events_default']);
    });

    // Seen red without a limit to the wait: the lock that waits lets nobody else in.
    it('wait for another time rather than for whoever reads the log, since every answer would wait with them', async () => {
      const table = await past(today - 40 * DAY, today - 20 * DAY);
      const { log, unitOfWork } = onPostgres(dataSource);
      await unitOfWork.run(async () => {
        await unitOfWork.manager.query('SELECT count(*) FROM auth_events');
        // On a connection of its own, beside this transaction.
        const elsewhere = onPostgres(await database.connect(1));
        expect(await elsewhere.log.dropOlderThan(DAY_SECONDS, false)).toEqual({ partitions: 0, rows: 0 });
      });
      expect(await rows()).toEqual({ [table]: 2 });
      expect(await log.dropOlderThan(DAY_SECONDS, false)).toEqual({ partitions: 1, rows: 0 });
    });

    // Seen red with the partitions remembered that were detached, instead of read.
    it('are dropped by the next clean-up when a process is killed between detaching and dropping', async () => {
      const table = await past(today - 40 * DAY, today - 20 * DAY);
      const { log } = onPostgres(dataSource);
      await dataSource.query(`
        CREATE FUNCTION public.die() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); END'`);
      await dataSource.query(`
        CREATE EVENT TRIGGER die ON ddl_command_start WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION public.die()`);
      await expect(log.dropOlderThan(DAY_SECONDS, false)).rejects.toThrow();
      await dataSource.query('DROP EVENT TRIGGER die');
      expect(await tables()).toContain(table);
      expect(await bounds()).toEqual([]);
      // Somebody may raise the retention, once it is seen what it does.
      expect(await log.dropOlderThan(30 * DAY_SECONDS, false)).toEqual({ partitions: 0, rows: 0 });
      expect(await log.dropOlderThan(DAY_SECONDS, true)).toEqual({ partitions: 1, rows: 0 });
      expect(await log.dropOlderThan(DAY_SECONDS, false)).toEqual({ partitions: 1, rows: 0 });
      expect(await tables()).toEqual(['auth_events_default']);
    });

    it('are left alone when somebody has detached them to keep them', async () => {
      const table = await past(today - 40 * DAY, today - 20 * DAY);
      await dataSource.query(`ALTER TABLE auth_events DETACH PARTITION ${table}`);
      const { log } = onPostgres(dataSource);
      expect(await log.dropOlderThan(DAY_SECONDS, false)).toEqual({ partitions: 0, rows: 0 });
      expect(await tables()).toContain(table);
      expect((await read()).unattached).toMatchObject([{ table: `ratchet.${table}`, ours: false }]);
    });
  });
});

const anEvent = (at: Date) =>
  new LoginAttempted(new Attempt({ ip: '192.0.2.1', userAgent: 'agent' }, at).beginning({}));
