import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { AUTH_DEFAULTS, type AuthOptions, POSTGRES_DEFAULTS, type RevocationWatcher } from '../../src';
import { PostgresRevocationFeed } from '../../src/auth/infrastructure/postgres/postgres-revocation.feed';
import { TypeOrmUnitOfWork } from '../../src/auth/infrastructure/postgres/typeorm-unit-of-work';
import { freshDatabase } from '../support/database/test-database';
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

interface Listening {
  readonly dataSource: DataSource;
  readonly proxy: TcpProxy;
  readonly feed: PostgresRevocationFeed;
  readonly watcher: CountingWatcher;
  readonly close: () => Promise<void>;
}

async function listening(): Promise<Listening> {
  const database = await freshDatabase();
  const dataSource = await database.connect(2);
  const { proxy, url } = await proxyOf(database.url);
  const settings = { ...POSTGRES_DEFAULTS, listenUrl: url };
  return {
    dataSource,
    proxy,
    feed: new PostgresRevocationFeed(new TypeOrmUnitOfWork(dataSource), settings, AUTH_DEFAULTS as AuthOptions),
    watcher: new CountingWatcher(),
    close: async () => {
      await proxy.close();
      await database.close();
    },
  };
}

const listenersOf = async ({ dataSource }: Listening): Promise<number> => {
  const [row] = await dataSource.query(
    `SELECT count(*)::integer AS count FROM pg_stat_activity
     WHERE application_name = 'ratchet listen' AND datname = current_database()`,
  );
  return row.count;
};

const CASES: readonly { name: string; run: (of: Listening) => Promise<void> }[] = [
  {
    // Seen red when the end waits for the server's own: it comes when TCP gives up, after a quarter of an hour.
    name: 'ends although the server is silent',
    run: async ({ feed, watcher, proxy }) => {
      const stop = await feed.watch(watcher);
      proxy.silence();
      await expect(stop()).resolves.toBeUndefined();
    },
  },
  {
    name: 'ends while it is connecting to a server that is silent',
    run: async ({ feed, watcher, proxy }) => {
      const stop = await feed.watch(watcher);
      await proxy.refuse();
      await proxy.restore();
      proxy.silence();
      await until(() => proxy.accepted === 2);
      await expect(stop()).resolves.toBeUndefined();
    },
  },
  {
    // Seen red without a limit for the statement: an application that starts in this moment would never answer.
    name: 'holds up no start: the poll alone will do until the server answers',
    run: async ({ feed, watcher, proxy }) => {
      proxy.swallows = (request) => request.includes('LISTEN');
      const stop = await feed.watch(watcher);
      expect(watcher.resets).toBe(0);
      proxy.swallows = () => false;
      await until(() => watcher.resets === 1);
      await stop();
    },
  },
  {
    name: 'holds up no start where nobody listens',
    run: async ({ feed, watcher, proxy }) => {
      await proxy.refuse();
      const stop = await feed.watch(watcher);
      expect(watcher.resets).toBe(0);
      await proxy.restore();
      await until(() => watcher.resets === 1);
      await stop();
    },
  },
  {
    // A lost connection says so twice, and would be replaced by two.
    name: 'has one successor for each connection that is lost',
    run: async (of) => {
      const { feed, watcher, dataSource } = of;
      const stop = await feed.watch(watcher);
      for (const resets of [2, 3]) {
        await dataSource.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE application_name = 'ratchet listen' AND datname = current_database()`,
        );
        await until(() => watcher.resets === resets);
        expect(await listenersOf(of)).toBe(1);
      }
      await dataSource.query(`NOTIFY ratchet_ratchet_revocations`);
      await until(() => watcher.hints > 0);
      expect(watcher.hints).toBe(1);
      await stop();
      expect(await listenersOf(of)).toBe(0);
    },
  },
  {
    name: 'has no successor once it was called off',
    run: async (of) => {
      const { feed, watcher, proxy, dataSource } = of;
      const stop = await feed.watch(watcher);
      await proxy.refuse();
      await until(async () => (await listenersOf(of)) === 0);
      await stop();
      await proxy.restore();
      // What must not happen cannot be awaited: this is longer than it takes to connect again.
      await dataSource.query('SELECT pg_sleep(1.5)');
      expect(await listenersOf(of)).toBe(0);
      expect(watcher.resets).toBe(1);
    },
  },
];

// All at once, since each waits for seconds; on a database of its own, whose listeners it counts.
describe('the connection that listens, on a bad network', () => {
  const opened: Listening[] = [];
  const outcomes = new Map<string, Promise<void>>();
  beforeAll(async () => {
    Logger.overrideLogger(false);
    for (const { name, run } of CASES) {
      const of = await listening();
      opened.push(of);
      const outcome = run(of);
      outcome.catch(() => undefined); // its test tells
      outcomes.set(name, outcome);
    }
  });
  afterAll(async () => {
    for (const { close } of opened) await close();
    Logger.overrideLogger(['warn', 'error']);
  });

  it.each(CASES)('$name', ({ name }) => outcomes.get(name));
});
