import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { AUTH_DEFAULTS, type AuthOptions, POSTGRES_DEFAULTS, type RevocationWatcher } from '../../src';
import { PostgresRevocationFeed } from '../../src/auth/infrastructure/postgres/postgres-revocation.feed';
import { TypeOrmUnitOfWork } from '../../src/auth/infrastructure/postgres/typeorm-unit-of-work';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { proxyOf } from '../support/network/database-proxy';
import type { TcpProxy } from '../support/network/tcp-proxy';
import { until } from '../support/until';

class CountingWatcher implements RevocationWatcher {
  resets = 0;
  hints = 0;
  hint = (): void => {
    this.hints++;
  };
  reset = (): void => {
    this.resets++;
  };
  committed = () => undefined;
}

describe('the connection that listens, on a bad network', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let proxy: TcpProxy;
  let feed: PostgresRevocationFeed;
  let watcher: CountingWatcher;

  beforeAll(async () => {
    Logger.overrideLogger(false);
    database = await testDatabase();
    dataSource = await database.connect();
  });
  afterAll(async () => {
    await database.close();
    Logger.overrideLogger(['warn', 'error']);
  });
  beforeEach(async () => {
    const { proxy: started, url } = await proxyOf(database.url);
    proxy = started;
    watcher = new CountingWatcher();
    const settings = { ...POSTGRES_DEFAULTS, listenUrl: url };
    feed = new PostgresRevocationFeed(new TypeOrmUnitOfWork(dataSource), settings, AUTH_DEFAULTS as AuthOptions);
  });
  afterEach(() => proxy.close());

  const listeners = async (): Promise<number> => {
    const [row] = await dataSource.query(
      `SELECT count(*)::integer AS count FROM pg_stat_activity
       WHERE application_name = 'ratchet listen' AND datname = current_database()`,
    );
    return row.count;
  };

  // Seen red when the end waits for the server's own: it comes when TCP gives up, after a quarter of an hour.
  it('ends although the server is silent', async () => {
    const stop = await feed.watch(watcher);
    proxy.silence();
    await expect(stop()).resolves.toBeUndefined();
  });

  it('ends while it is connecting to a server that is silent', async () => {
    const stop = await feed.watch(watcher);
    await proxy.refuse();
    await proxy.restore();
    proxy.silence();
    await until(() => proxy.accepted === 2);
    await expect(stop()).resolves.toBeUndefined();
  });

  // Seen red without a limit for the statement: an application that starts in this moment would never answer.
  it('holds up no start: the poll alone will do until the server answers', async () => {
    proxy.swallows = (request) => request.includes('LISTEN');
    const stop = await feed.watch(watcher);
    expect(watcher.resets).toBe(0);
    proxy.swallows = () => false;
    await until(() => watcher.resets === 1);
    await stop();
  });

  it('holds up no start where nobody listens', async () => {
    await proxy.refuse();
    const stop = await feed.watch(watcher);
    expect(watcher.resets).toBe(0);
    await proxy.restore();
    await until(() => watcher.resets === 1);
    await stop();
  });

  // A lost connection says so twice, and would be replaced by two.
  it('has one successor for each connection that is lost', async () => {
    const stop = await feed.watch(watcher);
    for (const resets of [2, 3]) {
      await dataSource.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'ratchet listen' AND datname = current_database()`,
      );
      await until(() => watcher.resets === resets);
      expect(await listeners()).toBe(1);
    }
    await dataSource.query(`NOTIFY ratchet_ratchet_revocations`);
    await until(() => watcher.hints > 0);
    expect(watcher.hints).toBe(1);
    await stop();
    expect(await listeners()).toBe(0);
  });

  it('has no successor once it was called off', async () => {
    const stop = await feed.watch(watcher);
    await proxy.refuse();
    await until(async () => (await listeners()) === 0);
    await stop();
    await proxy.restore();
    // What must not happen cannot be awaited: this is longer than it takes to connect again.
    await dataSource.query('SELECT pg_sleep(1.5)');
    expect(await listeners()).toBe(0);
    expect(watcher.resets).toBe(1);
  });
});
