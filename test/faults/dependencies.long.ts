import { once } from 'node:events';
import { type AddressInfo, createServer, type NetConnectOpts } from 'node:net';
import { Client as DatabaseClient, type Pool } from 'pg';
import { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver';
import { RedisConnection } from '../../src/auth/infrastructure/redis/redis-connection';
import { asAdmin, moveDeadline, policyOf, rotateAll, statusOfMe } from '../http/support/administration';
import { newRetryKey, openChain, rowOf } from '../http/support/sessions';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { freshDatabase, type TestDatabase } from '../support/database/test-database';
import { describeWithRedis, type ProxiedRedis, startProxiedRedis } from '../support/redis/redis-server';
import { until } from '../support/until';
import { expectNothingWrong, inspect, inspectConnections, tally } from './oracles';

const ROUNDS = 5;

/** A busy machine is no fault. */
const PATIENT = { AUDIT_DEADLINE: '60s' };

const check = (holds: boolean, what: string): void => {
  tally.requests++;
  if (holds) return;
  tally.wrongDecisions++;
  process.stdout.write(`WRONG: ${what}\n`);
};

let database: TestDatabase;
let client: DatabaseClient;
beforeAll(async () => {
  database = await freshDatabase();
  client = new DatabaseClient({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await inspect(client);
  await client.end();
  await database.close();
  expectNothingWrong();
});

/** Whatever else is the matter: what is live is granted, what has ended or is below a floor is refused, at once. */
async function expectRightDecisions(app: TestApplication, what: string): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    await expectRightPolicy(app, `${what}: the policy`);
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
    await expectRightPolicy(app, `${what}: the policy after a rotation`);
  }
}

/** What is shown is what the database says. */
async function expectRightPolicy(app: TestApplication, what: string): Promise<void> {
  const { status, body } = await asAdmin(app, 'GET', '/admin/security');
  check(status === 200 && body.globalMinTokenVersion === (await policyOf(app)).global_min_token_version, what);
}

describeWithRedis('With a Redis that', () => {
  let app: TestApplication;
  let proxy: ProxiedRedis['proxy'];
  let redis: ProxiedRedis['redis'];
  let home: NetConnectOpts;
  const closers: (() => unknown)[] = [];
  beforeAll(async () => {
    const server = await startProxiedRedis();
    ({ redis, proxy } = server);
    const { hostname: host, port } = new URL(server.url);
    home = { host, port: Number(port) };
    closers.push(() => server.stop());
    const env = { REDIS_URL: server.proxiedUrl, LIMIT_REFRESH_PER_SESSION: '1000/10s', ...PATIENT };
    app = await startTestApplication({ database, env });
    closers.push(() => app.close());
  });
  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });
  afterEach(() => proxy.restore(home));

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
  ])('%s, no decision is wrong', async (what, happens) => {
    // What the fault before this one has ended is there again, or nobody would meet this one.
    const connection = app.app.get(RedisConnection, { strict: false });
    await until(() =>
      connection.demandMaster().then(
        () => true,
        () => false,
      ),
    );
    tally.faults++;
    await happens();
    await expectRightDecisions(app, what);
    proxy.delayMs = 0;
    await inspectConnections(client);
  });
});

describe('With every connection of the pool in use,', () => {
  it('what cannot be done is 503, changes nothing, and works once they are free', async () => {
    const app = await startTestApplication({ database, env: { DATABASE_POOL_SIZE: '2', AUDIT_DEADLINE: '1s' } });
    const sane = await startTestApplication({ database, env: PATIENT });
    try {
      const chains = await Promise.all(Array.from({ length: 12 }, () => openChain(sane)));
      const pool = (app.app.get(DataSource).driver as PostgresDriver).master as Pool;
      const taken = [await pool.connect(), await pool.connect()];
      tally.faults++;
      const keys = chains.map(() => newRetryKey());
      const answers = await Promise.all(chains.map(({ current }, at) => app.refresh(current, keys[at])));
      for (const { status, headers } of answers) {
        check(status === 503 && headers.get('Retry-After') !== null, `a full pool is answered ${status}`);
      }
      for (const connection of taken) connection.release();
      for (const [at, { current, sessionId }] of chains.entries()) {
        await until(async () => (await app.refresh(current, keys[at])).status === 200);
        check((await rowOf(sane, sessionId)).generation === 1, 'a session after a full pool');
      }
    } finally {
      await inspectConnections(client);
      await Promise.all([app.close(), sane.close()]);
    }
  }, 120_000);
});

/** Moves the machine's clock for whoever asks it, `Date` itself; timers and what measures durations stay. */
function moveClock(seconds: number): void {
  const now = () => RealDate.now() + seconds * 1000;
  globalThis.Date = new Proxy(RealDate, {
    construct: (date, given, target) => Reflect.construct(date, given.length === 0 ? [now()] : given, target),
    get: (date, name) => (name === 'now' ? now : Reflect.get(date, name)),
  });
}
const RealDate = Date;

describe("With the machine's clock", () => {
  afterEach(() => {
    globalThis.Date = RealDate;
  });

  // Seen red when the guard asks this clock for the time, and when it does not correct it by the database's.
  it.each([
    ['a day behind', -86_400],
    ['a day ahead', 86_400],
    ['a year ahead', 31_536_000],
  ])('%s, no decision is wrong: the database tells the time', async (what, seconds) => {
    moveClock(seconds);
    const app = await startTestApplication({ database, env: PATIENT });
    try {
      tally.faults++;
      await expectRightDecisions(app, what);
      const { body } = await app.logIn();
      await rotateAll(app, { mode: 'drain', gracePeriodSeconds: 300 });
      check((await statusOfMe(app, body.accessToken)) === 200, `${what}: an access token in its grace`);
      await moveDeadline(app, -1);
      check((await statusOfMe(app, body.accessToken)) === 401, `${what}: an access token after its grace`);
      check((await app.refresh(body.refreshToken)).status === 401, `${what}: a refresh after its grace`);
    } finally {
      await inspectConnections(client);
      await app.close();
    }
  });
});
