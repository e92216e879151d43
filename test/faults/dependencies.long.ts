import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Client as DatabaseClient } from 'pg';
import { Clock } from '../../src/auth';
import { rotateAll, statusOfMe } from '../http/support/administration';
import { newRetryKey, openChain, rowOf } from '../http/support/sessions';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { freshDatabase, type TestDatabase } from '../support/database/test-database';
import { describeWithRedis, type ProxiedRedis, startProxiedRedis } from '../support/redis/redis-server';
import { until } from '../support/until';
import { expectNothingWrong, inspect, tally } from './oracles';

const ROUNDS = 5;
const KEY = 'ratchet:security:global_version';

/** A busy machine is no fault. */
const PATIENT = { AUDIT_DEADLINE: '60s' };

const check = (holds: boolean, what: string): void => {
  tally.requests++;
  if (holds) return;
  tally.wrongDecisions++;
  process.stdout.write(`WRONG: ${what}\n`);
};

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(async () => {
  const client = new DatabaseClient({ connectionString: database.url });
  await client.connect();
  await inspect(client);
  await client.end();
  await database.close();
  expectNothingWrong();
});

/** Whatever else is the matter: what is live is granted, what has ended or is below a floor is refused, at once. */
async function expectRightDecisions(app: TestApplication, what: string): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const account = await app.register();
    const { tokens, current } = await openChain(app, 1, { account });
    const other = (await app.logIn(account)).body;
    check((await app.refresh(tokens[0])).body.refreshToken === current, `${what}: a replay`);
    check((await statusOfMe(app, other.accessToken)) === 200, `${what}: a live access token`);
    check((await app.post('/auth/logout', { refreshToken: other.refreshToken })).status === 204, `${what}: a log-out`);
    check((await statusOfMe(app, other.accessToken)) === 401, `${what}: an access token after its log-out`);
    check((await app.refresh(other.refreshToken)).status === 401, `${what}: a refresh after its log-out`);
    const next = await app.refresh(current, newRetryKey());
    check(next.status === 200, `${what}: a rotation`);
    await rotateAll(app);
    check((await statusOfMe(app, next.body.accessToken)) === 401, `${what}: an access token below the floor`);
    check((await app.refresh(next.body.refreshToken)).status === 401, `${what}: a refresh below the floor`);
  }
}

describeWithRedis('With a Redis that', () => {
  let app: TestApplication;
  let proxy: ProxiedRedis['proxy'];
  let redis: ProxiedRedis['redis'];
  const closers: (() => unknown)[] = [];
  beforeAll(async () => {
    const server = await startProxiedRedis();
    ({ redis, proxy } = server);
    closers.push(() => server.stop());
    const env = { REDIS_URL: server.proxiedUrl, LIMIT_REFRESH_PER_SESSION: '1000/10s', ...PATIENT };
    app = await startTestApplication({ database, env });
    closers.push(() => app.close());
  });
  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });
  afterEach(() => proxy.restore());

  const entry = (version: number, changed: number): string =>
    JSON.stringify({ schema: 1, version, changed, mode: 'migrate', graceEndsAt: null, gracePeriodSeconds: 300 });
  /** Speaks no Redis. */
  const startBabble = async () => {
    const babble = createServer((socket) => socket.on('error', () => undefined).write('HTTP/1.1 200 OK\r\n\r\n\0\xff'));
    babble.listen(0, '127.0.0.1');
    await once(babble, 'listening');
    closers.push(() => babble.close());
    return { host: '127.0.0.1', port: (babble.address() as AddressInfo).port };
  };

  it.each<[string, () => unknown]>([
    ['refuses', () => proxy.refuse()],
    ['is silent', () => proxy.silence()],
    ['is slow', () => (proxy.delayMs = 300)],
    ['talks nonsense', async () => proxy.restore(await startBabble())],
    ['was flushed', () => redis.flushAll()],
    ['holds an older version', () => redis.set(KEY, entry(1, 0))],
    ['holds a version that never was', () => redis.set(KEY, entry(1_000_000, 8e15))],
    ['holds no version but a text', () => redis.set(KEY, '{"schema":')],
  ])('%s, no decision is wrong', async (what, happens) => {
    tally.faults++;
    await happens();
    await expectRightDecisions(app, what);
    proxy.delayMs = 0;
  });
});

describe('With every connection of the pool in use,', () => {
  it('what cannot be done is 503, changes nothing, and works once they are free', async () => {
    const app = await startTestApplication({ database, env: { DATABASE_POOL_SIZE: '2', AUDIT_DEADLINE: '1s' } });
    const sane = await startTestApplication({ database, env: PATIENT });
    const holder = new DatabaseClient({ connectionString: database.url });
    await holder.connect();
    try {
      const chains = await Promise.all(Array.from({ length: 12 }, () => openChain(sane)));
      // Who reads a session waits for this; there are more of them than connections.
      await holder.query('BEGIN');
      await holder.query('LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE');
      tally.faults++;
      const keys = chains.map(() => newRetryKey());
      const answers = await Promise.all(chains.map(({ current }, at) => app.refresh(current, keys[at])));
      for (const { status, headers } of answers) {
        check(status === 503 && headers.get('Retry-After') !== null, `a full pool is answered ${status}`);
      }
      await holder.query('ROLLBACK');
      for (const [at, { current, sessionId }] of chains.entries()) {
        await until(async () => (await app.refresh(current, keys[at])).status === 200);
        check((await rowOf(sane, sessionId)).generation === 1, 'a session after a full pool');
      }
    } finally {
      await holder.end();
      await Promise.all([app.close(), sane.close()]);
    }
  }, 120_000);
});

describe("With the machine's clock", () => {
  it.each([
    ['a day behind', -86_400],
    ['a day ahead', 86_400],
    ['a year ahead', 31_536_000],
  ])('%s, no decision is wrong: the database tells the time', async (what, seconds) => {
    class Wrong extends Clock {
      now(): Date {
        return new Date(Date.now() + seconds * 1000);
      }
    }
    const app = await startTestApplication({
      database,
      env: PATIENT,
      overrides: (module) => module.overrideProvider(Clock).useValue(new Wrong()),
    });
    try {
      tally.faults++;
      await expectRightDecisions(app, what);
    } finally {
      await app.close();
    }
  });
});
