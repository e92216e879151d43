import { randomBytes } from 'node:crypto';
import { Controller, Get } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { Client } from 'pg';
import { createClient } from 'redis';
import { CurrentPrincipal, type Principal, RevocationView } from '../../src';
import { type Application, createApplication } from '../../src/bootstrap';
import { loadConfig } from '../../src/config';
import { newAccessTokenKey } from '../../src/new-keys';
import { describeWithRedis, startRedis } from '../support/redis/redis-server';
import { until } from '../support/until';
import { ownServer } from './own-server';

const REQUESTS = 200;
const AT_ONCE = 20;
const ADMIN = { email: 'admin@example.com', password: 'a long admin passphrase' };

/** Guarded as every route is that does not say otherwise, and itself in need of nothing. */
@Controller('probe')
class ProbeController {
  @Get()
  read(@CurrentPrincipal() { userId }: Principal) {
    return { userId };
  }
}

describeWithRedis('a guarded request', () => {
  let application: Application;
  let url: string;
  let statistics: Client;
  let commands: ReturnType<typeof createClient>;

  beforeAll(async () => {
    // Counting takes a library that is loaded with the server.
    const starting = startRedis();
    closers.push(async () => (await starting).stop());
    const server = await ownServer({
      settings: { shared_preload_libraries: 'pg_stat_statements', 'pg_stat_statements.track': 'all' },
    });
    closers.push(() => server.remove());
    const redis = await starting;
    const config = loadConfig({
      NODE_ENV: 'test',
      HOST: '127.0.0.1',
      PORT: '0',
      BCRYPT_COST: '4',
      LOG_LEVEL: 'silent',
      LIMIT_LOGIN_PER_IP: '0',
      LIMIT_REGISTER_PER_IP: '0',
      DATABASE_URL: server.url(),
      REDIS_URL: redis.url,
      BOOTSTRAP_ADMIN_EMAIL: ADMIN.email,
      BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
      ACCESS_TOKEN_KEYS: `test:${newAccessTokenKey('HS256')}`,
      REFRESH_TOKEN_KEYS: `0:${randomBytes(32).toString('base64')}`,
    });
    application = await createApplication(config, {
      create: async (module, adapter, options) => {
        const testing = Test.createTestingModule({ imports: [module], controllers: [ProbeController] });
        return (await testing.compile()).createNestApplication(adapter, options);
      },
    });
    closers.push(() => application.close());
    await application.app.listen(0, '127.0.0.1');
    url = await application.app.getUrl();

    // In a database beside the application's, so that asking is not among what is counted.
    statistics = new Client({ connectionString: server.url().replace('/postgres?', '/template1?') });
    await statistics.connect();
    closers.push(() => statistics.end());
    await statistics.query('CREATE EXTENSION pg_stat_statements');
    commands = createClient({ url: redis.url });
    await commands.connect();
    closers.push(() => commands.destroy());
  });
  /** In the reverse order of the opening, as far as that has come. */
  const closers: (() => unknown)[] = [];
  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });

  const post = async (path: string, body: object) => {
    const headers = { 'Content-Type': 'application/json' };
    const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    return response.json() as Promise<any>;
  };
  const get = async (path: string, token: string): Promise<number> => {
    const response = await fetch(url + path, { headers: { Authorization: `Bearer ${token}` } });
    await response.text();
    return response.status;
  };

  /** Calls of each statement of the application's database, by its query id, the poll of the revocations left out. */
  async function statements(): Promise<Map<string, { calls: number; query: string }>> {
    const { rows } = await statistics.query(
      `SELECT s.queryid::text, sum(s.calls)::integer AS calls, min(s.query) AS query
       FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
       WHERE d.datname = 'postgres' AND s.query NOT LIKE '%/* ratchet: revocation poll */%' GROUP BY s.queryid`,
    );
    return new Map(rows.map(({ queryid, ...counted }) => [queryid, counted]));
  }

  /** Calls of each command but of the one that asks, and of the connection's own sign of life, once a second. */
  async function redisCommands(): Promise<Map<string, number>> {
    const lines = (await commands.info('commandstats')).matchAll(/cmdstat_([^:]+):calls=(\d+)/g);
    return new Map(
      [...lines]
        .map(([, name = '', calls]) => [name, Number(calls)] as const)
        .filter(([name]) => name !== 'info' && name !== 'ping'),
    );
  }

  /** What `work` has cost. */
  async function costOf(work: () => Promise<unknown>) {
    const before = [await statements(), await redisCommands()] as const;
    await work();
    const after = [await statements(), await redisCommands()] as const;
    return {
      sql: [...after[0]]
        .filter(([id, { calls }]) => calls > (before[0].get(id)?.calls ?? 0))
        .map(([, { query }]) => query),
      redis: [...after[1]].filter(([name, calls]) => calls > (before[1].get(name) ?? 0)).map(([name]) => name),
    };
  }

  it(`costs no statement and no command, ${REQUESTS} times, with tokens that are new to the process and others`, async () => {
    const tokens: string[] = [];
    for (let i = 0; i < AT_ONCE; i++) {
      const account = { email: `user-${i}@example.com`, password: 'a long enough passphrase' };
      await post('/auth/register', account);
      tokens.push((await post('/auth/login', account)).accessToken);
    }
    const view = application.app.get(RevocationView);
    const cost = await costOf(async () => {
      for (let i = 0; i < REQUESTS / AT_ONCE; i++) {
        const statuses = await Promise.all(tokens.map((token) => get('/probe', token)));
        expect(new Set(statuses)).toEqual(new Set([200]));
      }
      expect(await get('/probe', `${tokens[0]}x`)).toBe(401);
      // While the poll goes on: it is left out because it is named, not because it did not run.
      const age = view.stalenessSeconds;
      await until(() => view.stalenessSeconds < age);
    });
    expect(cost).toEqual({ sql: [], redis: [] });
  });

  it('would be seen if it did: an administrator is read again, and a refresh is counted', async () => {
    const { accessToken } = await post('/auth/login', ADMIN);
    const cost = await costOf(async () => {
      expect(await get('/admin/security', accessToken)).toBe(200);
      await post('/auth/login', ADMIN);
    });
    expect(cost.sql).toContainEqual(expect.stringContaining('FROM "ratchet"."users"'));
    expect(cost.redis).not.toEqual([]);
  });
});
