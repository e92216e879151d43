import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { AuthOptions } from '../../src';
import { AuthEventPartitions } from '../../src/auth/infrastructure/postgres/auth-event-partitions';
import { TypeOrmUnitOfWork } from '../../src/auth/infrastructure/postgres/typeorm-unit-of-work';
import { onPostgres } from '../ports/adapters';
import { SCHEMA, testDatabase, type TestDatabase } from '../support/database/test-database';

describe('the partitions of the event log', () => {
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeEach(async () => {
    database = await testDatabase();
    dataSource = await database.connect();
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await database.close();
  });

  /** The months of this one and of the next three, as the partitions are named. */
  const months = () => {
    const now = new Date();
    return [0, 1, 2, 3].map((ahead) => {
      const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead));
      return `auth_events_${month.getUTCFullYear()}_${String(month.getUTCMonth() + 1).padStart(2, '0')}`;
    });
  };
  const partitions = async () => {
    const rows = await dataSource.query<{ name: string }[]>(
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'auth_events'::regclass ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  };
  const record = async (occurredAt: Date) => {
    const id = uuidv7();
    await dataSource.query(
      `INSERT INTO auth_events (id, type, occurred_at, user_agent, outcome) VALUES ($1, 'a.test.v1', $2, 'agent', 'failed')`,
      [id, occurredAt],
    );
    const [row] = await dataSource.query<{ name: string }[]>(
      'SELECT tableoid::regclass::text AS name FROM auth_events WHERE id = $1',
      [id],
    );
    return row?.name;
  };

  async function start(count = 1): Promise<void> {
    const all = Array.from(
      { length: count },
      () => new AuthEventPartitions(new TypeOrmUnitOfWork(dataSource), { schema: SCHEMA } as AuthOptions),
    );
    await Promise.all(all.map((one) => one.onApplicationBootstrap()));
    for (const one of all) one.onApplicationShutdown();
  }

  it('are made for this month and the next three, by as many instances as start together', async () => {
    const wanted = months();
    const warned = jest.spyOn(Logger.prototype, 'warn');
    await start(4);
    await start();
    expect(warned).not.toHaveBeenCalled();
    expect(await partitions()).toEqual(['auth_events_default', ...wanted].sort());
  });

  it('hold the events of their month in UTC', async () => {
    const [thisMonth] = months();
    await start();
    const now = new Date();
    const first = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth()));
    expect(await record(now)).toBe(thisMonth);
    expect(await record(first)).toBe(thisMonth);
    expect(await record(new Date(first.getTime() - 1))).toBe('auth_events_default');
  });

  // Seen red without a limit to the wait: the lock that waits lets nobody else in.
  it('are made another time rather than while somebody reads the log, since every answer would wait with them', async () => {
    const warned = jest.spyOn(Logger.prototype, 'warn').mockImplementation();
    const { unitOfWork } = onPostgres(await database.connect(1));
    await unitOfWork.run(async () => {
      await unitOfWork.manager.query('SELECT count(*) FROM auth_events');
      await start();
    });
    expect(warned).toHaveBeenCalledTimes(4);
    expect(await partitions()).toEqual(['auth_events_default']);
    await start();
    expect(await partitions()).toEqual(['auth_events_default', ...months()].sort());
  });

  describe('older than is retained', () => {
    const DAY = 24 * 60 * 60;
    /** A partition for the month that began `months` ago, with one event in it. */
    const past = async (months: number) => {
      const now = new Date();
      const [from, to] = [months, months - 1].map(
        (ago) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - ago)),
      );
      const name = `auth_events_${from!.toISOString().slice(0, 7).replace('-', '_')}`;
      await dataSource.query(
        `CREATE TABLE ${name} PARTITION OF auth_events FOR VALUES FROM ('${from!.toISOString()}') TO ('${to!.toISOString()}')`,
      );
      expect(await record(from!)).toBe(name);
      return { name, endedSeconds: (Date.now() - to!.getTime()) / 1000 };
    };

    it('are counted in a dry run and dropped in earnest, whole months and no younger ones', async () => {
      await start();
      const [recent, older, oldest] = [await past(1), await past(3), await past(30)];
      const { log } = onPostgres(dataSource);
      const retention = Math.floor(older.endedSeconds) - DAY;
      expect(await log.dropOlderThan(retention, true)).toBe(2);
      expect(await partitions()).toContain(older.name);

      expect(await log.dropOlderThan(Math.ceil(older.endedSeconds) + DAY, false)).toBe(1);
      expect(await partitions()).not.toContain(oldest.name);
      expect(await log.dropOlderThan(retention, false)).toBe(1);
      expect(await log.dropOlderThan(retention, false)).toBe(0);
      expect(await partitions()).toEqual(['auth_events_default', recent.name, ...months()].sort());
      expect(await record(new Date())).toBe(months()[0]);
    });

    it('are dropped once when two clean up at once', async () => {
      await past(5);
      await past(6);
      const [one, other] = [onPostgres(dataSource), onPostgres(dataSource)];
      const dropped = await Promise.all([
        one.log.dropOlderThan(60 * DAY, false),
        other.log.dropOlderThan(60 * DAY, false),
      ]);
      expect(dropped[0] + dropped[1]).toBeGreaterThanOrEqual(2);
      expect(await partitions()).toEqual(['auth_events_default']);
    });

    // Seen red without a limit to the wait: the lock that waits lets nobody else in.
    it('wait for another time rather than for whoever reads the log, since every answer would wait with them', async () => {
      const { name } = await past(5);
      const { log, unitOfWork } = onPostgres(dataSource);
      await unitOfWork.run(async () => {
        await unitOfWork.manager.query('SELECT count(*) FROM auth_events');
        // On a connection of its own, beside this transaction.
        const elsewhere = onPostgres(await database.connect(1));
        expect(await elsewhere.log.dropOlderThan(60 * DAY, false)).toBe(0);
      });
      expect(await partitions()).toContain(name);
      expect(await log.dropOlderThan(60 * DAY, false)).toBe(1);
    });
  });

  it('are not missed: without one, its events go to the default partition, and a start says so', async () => {
    const [thisMonth] = months();
    expect(await record(new Date())).toBe('auth_events_default');
    const warned = jest.spyOn(Logger.prototype, 'warn').mockImplementation();
    await start();
    expect(warned.mock.calls.flat().join()).toContain(thisMonth);
    expect(await partitions()).toEqual(['auth_events_default', ...months().slice(1)].sort());
    expect(await record(new Date())).toBe('auth_events_default');
  });
});
