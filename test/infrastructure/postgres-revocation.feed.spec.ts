import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Logger } from '@nestjs/common';
import { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import {
  AUTH_DEFAULTS,
  type AuthOptions,
  POSTGRES_DEFAULTS,
  type PostgresSettings,
  type RevocationReading,
  type RevocationWatcher,
  type TypeOrmUnitOfWork,
} from '../../src';
import { PostgresRevocationFeed } from '../../src/auth/infrastructure/postgres/postgres-revocation.feed';
import { dataSourceOptions } from '../../src/postgres/data-source';
import { newSession, onPostgres } from '../ports/adapters';
import { ownServer } from '../propagation/own-server';
import { statementSizes } from '../support/database/statement-sizes';
import { SCHEMA, tablesIn, testDatabase, type TestDatabase } from '../support/database/test-database';
import { gate } from '../support/gate';

/** Resolves its promises one by one with whatever it is told. */
class Listening implements RevocationWatcher {
  private told: string[] = [];
  private waiting: (() => void) | undefined;

  hint = () => this.note('hint');
  reset = () => this.note('reset');
  committed = () => undefined;

  /** Everything that it was told since it was asked last; waits for the first. */
  async next(): Promise<string[]> {
    if (this.told.length === 0) await new Promise<void>((resolve) => (this.waiting = resolve));
    return this.told.splice(0);
  }

  private note(what: string): void {
    this.told.push(what);
    this.waiting?.();
  }
}

describe('the feed of revocations on PostgreSQL', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let ports: ReturnType<typeof onPostgres>;

  beforeAll(async () => {
    Logger.overrideLogger(false);
    database = await testDatabase();
    dataSource = await database.connect();
    ports = onPostgres(dataSource);
  });
  afterAll(() => database.close());

  const subjectsSince = async (horizon: bigint) => {
    const reading = await ports.feed.read(horizon);
    const subjects = reading.revocations.map((one) => ('userId' in one ? one.userId : one.sessionId));
    return { horizon: reading.horizon, subjects };
  };

  // Seen red with one statement for all.
  it('purges in statements of a bounded size: a limit of time for each is no limit for their number', async () => {
    await ports.feed.purge(false);
    await dataSource.query(`INSERT INTO revocations (kind, subject_id, reason, created_at)
      SELECT 'session', gen_random_uuid(), 'user_logout', now() - interval '2 days' FROM generate_series(1, 20001)`);
    const sizes = await statementSizes(dataSource, 'revocations', 'DELETE');
    expect(await ports.feed.purge(true)).toBe(20_001);
    expect(await ports.feed.purge(false, AbortSignal.abort())).toBe(0);
    expect(await ports.feed.purge(false)).toBe(20_001);
    expect(await sizes()).toEqual([10_000, 10_000, 1]);
  });

  // Seen red with a day for everyone.
  it.each([
    { accessTokenTtlSeconds: 900, age: '23 hours 59 minutes', needed: true },
    { accessTokenTtlSeconds: 900, age: '24 hours 1 minute', needed: false },
    { accessTokenTtlSeconds: 48 * 60 * 60, age: '48 hours 1 minute', needed: true },
    { accessTokenTtlSeconds: 48 * 60 * 60, age: '48 hours 3 minutes', needed: false },
  ])('purges a row of $age where access tokens live $accessTokenTtlSeconds seconds: needed is $needed', async (row) => {
    const { accessTokenTtlSeconds, age, needed } = row;
    const own = onPostgres(dataSource, { accessTokenTtlSeconds });
    const userId = uuidv7();
    await own.policies.raiseUserFloor(userId, 'a test', null);
    await dataSource.query(`UPDATE revocations SET created_at = now() - $1::interval WHERE subject_id = $2`, [
      age,
      userId,
    ]);
    const rows = async () =>
      (await dataSource.query<unknown[]>('SELECT FROM revocations WHERE subject_id = $1', [userId])).length;

    const old = await own.feed.purge(true);
    expect(await rows()).toBe(1);
    expect(await own.feed.purge(false)).toBe(old);
    expect(await rows()).toBe(needed ? 1 : 0);
    expect(await own.feed.purge(true)).toBe(0);
    await ports.feed.purge(false);
  });

  // Seen red with the catch-up by id, by created_at, and from this reading's own snapshot instead of the one before.
  it('delivers a row whose transaction was open over several readings, while later ones committed', async () => {
    let { horizon } = await ports.feed.read(null);
    const late = uuidv7();
    const inside = gate();
    const finish = gate();
    const unit = ports.unitOfWork.run(async () => {
      await ports.policies.raiseUserFloor(late, 'a test', null);
      inside.open();
      await finish.opened;
    });
    await inside.opened;
    for (let i = 0; i < 5; i++) {
      const meanwhile = uuidv7();
      await ports.policies.raiseUserFloor(meanwhile, 'a test', null);
      const reading = await subjectsSince(horizon);
      expect(reading.subjects).toContain(meanwhile);
      expect(reading.subjects).not.toContain(late);
      horizon = reading.horizon;
    }
    finish.open();
    await unit;
    expect((await subjectsSince(horizon)).subjects).toContain(late);
  });

  it('has nothing again of transactions that were over before the horizon', async () => {
    await ports.policies.raiseUserFloor(uuidv7(), 'a test', null);
    const [row] = await dataSource.query<{ next: string }[]>(
      'SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next',
    );
    expect((await subjectsSince(BigInt(row!.next))).subjects).toEqual([]);
  });

  // Seen red with one statement for all: it was cut off after 5 s, and so was each that came after.
  it('loads everything in statements of a bounded size', async () => {
    const reason = uuidv7();
    await dataSource.query(
      `INSERT INTO revocations (kind, subject_id, reason)
       SELECT 'session', gen_random_uuid(), $1 FROM generate_series(1, 20001)`,
      [reason],
    );
    const pages: RevocationReading[] = [await ports.feed.read(null)];
    for (let page = pages[0]!; page.nextPage !== undefined; pages.push(page))
      page = await ports.feed.read(null, page.nextPage);
    const sizes = pages.map(({ revocations }) => revocations.length);
    expect(sizes.slice(0, -1)).toEqual([10_000, 10_000]);
    const read = pages.flatMap(({ revocations }) =>
      revocations.map((one) => ('sessionId' in one ? one.sessionId : one.userId)),
    );
    const rows = await dataSource.query<{ id: string }[]>(
      'SELECT subject_id AS id FROM revocations WHERE reason = $1',
      [reason],
    );
    const known = new Set(read);
    expect(rows.filter(({ id }) => !known.has(id))).toEqual([]);
    await dataSource.query('DELETE FROM revocations WHERE reason = $1', [reason]);
  });

  it('names a server anew after each of its starts', async () => {
    const server = await ownServer({ migrated: true });
    const nameOf = async () => {
      const settings = { url: server.url(), poolSize: 1, migrateOnStart: false, schema: SCHEMA };
      const own = await new DataSource(dataSourceOptions(settings, tablesIn(SCHEMA))).initialize();
      const names = [(await onPostgres(own).feed.read(null)).server, (await onPostgres(own).feed.read(0n)).server];
      await own.destroy();
      expect(names[0]).toBe(names[1]);
      return names[0];
    };
    const before = await nameOf();
    await server.stop();
    await server.start();
    expect(await nameOf()).not.toBe(before);
    await server.remove();
  });

  // Seen red with a query that succeeds taken for news: a former primary stayed fresh for ever.
  it('has no news of a server that accepts no changes', async () => {
    const readOnly = await database.connect(1);
    await readOnly.query('SET default_transaction_read_only = on');
    await expect(onPostgres(readOnly).feed.read(null)).rejects.toThrow('read-only or in recovery');
    await readOnly.destroy();
  });

  it('shows by its horizon that the database is older than it was', async () => {
    const { horizon } = await ports.feed.read(null);
    const fromTheFuture = horizon + 1_000_000n;
    expect((await ports.feed.read(fromTheFuture)).horizon).toBeLessThan(fromTheFuture);
  });

  it('reads all of it in one statement, which says what it is', async () => {
    const statements: string[] = [];
    const { logger } = dataSource;
    dataSource.logger = { ...logger, logQuery: (query) => void statements.push(query) };
    await ports.feed.read((await ports.feed.read(null)).horizon);
    dataSource.logger = logger;
    expect(statements).toHaveLength(2);
    for (const statement of statements) expect(statement).toContain('/* ratchet: revocation poll */');
  });

  it('first loads the last access-token lifetime and two minutes, no more', async () => {
    const announcedBefore = async (seconds: number) => {
      const userId = uuidv7();
      await dataSource.query(
        `INSERT INTO revocations (kind, subject_id, min_version, reason, created_at)
         VALUES ('user', $1, 2, 'a test', now() - make_interval(secs => $2))`,
        [userId, seconds],
      );
      return userId;
    };
    const living = await announcedBefore(900 + 120 - 5);
    const dead = await announcedBefore(900 + 120 + 1);
    const { revocations } = await ports.feed.read(null);
    const users = revocations.map((one) => ('userId' in one ? one.userId : null));
    expect(users).toContain(living);
    expect(users).not.toContain(dead);
  });

  it('forgets what is older than a day and than any access token, and counts it', async () => {
    await dataSource.query(
      `INSERT INTO revocations (kind, subject_id, min_version, reason, created_at) VALUES
         ('session', $1, NULL, 'a test', now() - interval '24 hours 1 second'),
         ('global', NULL, 3, 'a test', now() - interval '3 days'),
         ('user', $1, 2, 'a test', now() - interval '23 hours 59 minutes')`,
      [uuidv7()],
    );
    expect(await onPostgres(dataSource, { accessTokenTtlSeconds: 4 * 24 * 3600 }).feed.purge(false)).toBe(0);
    expect(await ports.feed.purge(false)).toBe(2);
    expect(await ports.feed.purge(false)).toBe(0);
  });

  it('takes its rows with the reason of the change', async () => {
    const userId = uuidv7();
    const { id } = await ports.sessions.open(newSession({ userId }));
    await ports.policies.raiseUserFloor(userId, 'role_removed', null);
    await ports.sessions.revoke(id, 'reuse_detected');
    const rows = await dataSource.query(
      'SELECT kind, subject_id, min_version, reason FROM revocations WHERE subject_id = ANY ($1) ORDER BY id',
      [[userId, id]],
    );
    expect(rows).toEqual([
      { kind: 'user', subject_id: userId, min_version: 2, reason: 'role_removed' },
      { kind: 'session', subject_id: id, min_version: null, reason: 'reuse_detected' },
    ]);
  });

  describe('with notifications', () => {
    const notifying = (settings: Partial<PostgresSettings> = {}) =>
      onPostgres(dataSource, { notify: 'postgres', ...settings });
    const listenerOf = (what: string) =>
      dataSource.query<{ pid: number }[]>(
        `SELECT ${what} FROM pg_stat_activity WHERE application_name = 'ratchet listen' AND datname = current_database()`,
      );

    it('asks for a new reading when it begins, and hints at each commit of anyone, with nothing in the hint', async () => {
      const watcher = new Listening();
      const stop = await notifying().feed.watch(watcher);
      expect(await watcher.next()).toEqual(['reset']);
      await notifying().policies.raiseUserFloor(uuidv7(), 'a test', null);
      expect(await watcher.next()).toEqual(['hint']);
      await stop();
      expect(await listenerOf('pid')).toEqual([]);
    });

    it('does not hint at what is undone, nor before the commit', async () => {
      const watcher = new Listening();
      const stop = await notifying().feed.watch(watcher);
      await watcher.next();
      const { policies, unitOfWork } = notifying();
      const undone = unitOfWork.run(async () => {
        await policies.raiseUserFloor(uuidv7(), 'a test', null);
        throw new Error('undone');
      });
      await expect(undone).rejects.toThrow('undone');
      await policies.raiseUserFloor(uuidv7(), 'a test', null);
      expect(await watcher.next()).toEqual(['hint']);
      await stop();
    });

    // Seen red without the reset: whatever was announced in between waits for the next reading from scratch.
    it('listens again after its connection was lost, and then asks for a new reading', async () => {
      const watcher = new Listening();
      const stop = await notifying().feed.watch(watcher);
      await watcher.next();
      await listenerOf('pg_terminate_backend(pid)');
      expect(await watcher.next()).toEqual(['reset']);
      await notifying().policies.raiseUserFloor(uuidv7(), 'a test', null);
      expect(await watcher.next()).toEqual(['hint']);
      await stop();
    });

    it('is silent, and needs no connection, when they are switched off', async () => {
      const stop = await onPostgres(dataSource).feed.watch(new Listening());
      expect(await listenerOf('pid')).toEqual([]);
      const watcher = new Listening();
      const stopListening = await notifying().feed.watch(watcher);
      await watcher.next();
      await ports.policies.raiseUserFloor(uuidv7(), 'a test', null);
      await notifying().policies.raiseUserFloor(uuidv7(), 'a test', null);
      expect(await watcher.next()).toEqual(['hint']);
      await Promise.all([stop(), stopListening()]);
    });

    // Seen red with the pool's options spread: the pool hides its password from that.
    it('signs in with the password of the pool where that is not part of an address', async () => {
      const asked = gate();
      let password = '';
      const server = createServer((socket: Socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => {
          socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3])); // AuthenticationCleartextPassword
          socket.once('data', (message) => {
            password = message.subarray(5, -1).toString();
            asked.open();
            socket.destroy();
          });
        });
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const master = new Pool({ host: '127.0.0.1', port, user: 'sam', password: 'of the pool', database: 'any' });
      const feed = new PostgresRevocationFeed(
        { dataSource: { driver: { master } } } as unknown as TypeOrmUnitOfWork,
        POSTGRES_DEFAULTS,
        AUTH_DEFAULTS as AuthOptions,
      );
      const stop = await feed.watch(new Listening());
      await asked.opened;
      await stop();
      server.close();
      expect(password).toBe('of the pool');
    });
  });
});
