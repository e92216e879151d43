import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { newAccessTokenKey, newRefreshTokenRoot } from '../../src/new-keys';
import { buildIfStale, spawnApplication } from '../support/app/child-application';
import type { Json } from '../support/app/test-application';
import { freshDatabase, type TestDatabase } from '../support/database/test-database';
import { proxyOf } from '../support/network/database-proxy';
import { TcpProxy } from '../support/network/tcp-proxy';
import { until } from '../support/until';

const ISSUER = 'https://auth.example';
const SERVICE = { name: 'orders', secret: 'a-secret-of-the-orders-service-0123' };
/** Seconds without an answer of the feed, after which the service says 503. */
const BOUND = 8;
const PASSWORD = 'a long enough passphrase';
const SETTINGS = {
  NODE_ENV: 'test',
  HOST: '127.0.0.1',
  LOG_LEVEL: 'warn',
  SWAGGER_ENABLED: 'false',
  MIGRATE_ON_START: 'false',
  ACCESS_TOKEN_KEYS: `test:${newAccessTokenKey('ES256')}`,
  REFRESH_TOKEN_KEYS: `0:${newRefreshTokenRoot()}`,
  ACCESS_TOKEN_ISSUER: ISSUER,
  RESOURCE_SERVERS: `${SERVICE.name}:${SERVICE.secret}`,
};

interface Process {
  readonly url: string;
  readonly child: ReturnType<typeof spawn>;
  readonly exited: Promise<unknown>;
}

let folder: string;
let database: TestDatabase;
/** The one that the service follows, through a proxy, and that reaches its database through another one. */
let followed: Process;
let other: Process;
let feed: TcpProxy;
let path: TcpProxy;
let service: Process;

beforeAll(async () => {
  buildIfStale();
  folder = await mkdtemp(join(tmpdir(), 'ratchet-services-'));
  database = await freshDatabase();
  const proxied = await proxyOf(database.url);
  path = proxied.proxy;
  followed = await instance(proxied.url);
  other = await instance(database.url);
  feed = await TcpProxy.start(addressOf(followed));
  service = await startService();
}, 120_000);
afterAll(async () => {
  for (const { child, exited } of [service, followed, other]) {
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    await exited;
  }
  await feed.close();
  await path.close();
  await database.close();
  await rm(folder, { recursive: true });
});

async function instance(databaseUrl: string): Promise<Process> {
  const { child, exited, listening } = spawnApplication(folder, { ...SETTINGS, DATABASE_URL: databaseUrl }, 'build');
  return { url: await listening(), child, exited };
}

const addressOf = ({ url }: Process) => ({ host: '127.0.0.1', port: Number(new URL(url).port) });

async function startService(): Promise<Process> {
  const options = {
    issuer: ISSUER,
    audience: 'ratchet',
    jwksUrl: `${other.url}/.well-known/jwks.json`,
    feed: { url: `http://127.0.0.1:${feed.port}/auth/revocations`, ...SERVICE },
    maxStalenessSeconds: BOUND,
  };
  const dist = resolve(__dirname, '../../dist');
  const child = spawn(process.execPath, [join(__dirname, 'service.cjs'), dist, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [text] = await once(child.stdout.setEncoding('utf8'), 'data');
  return { url: /http\S+/.exec(String(text))![0], child, exited: once(child, 'close') };
}

async function post(at: Process, route: string, body: object): Promise<Json> {
  const response = await fetch(at.url + route, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return text === '' ? null : JSON.parse(text);
}

async function signIn(): Promise<{ accessToken: string; refreshToken: string }> {
  const account = { email: `${crypto.randomUUID()}@example.com`, password: PASSWORD };
  await post(other, '/auth/register', account);
  return post(other, '/auth/login', account);
}
const logOut = ({ refreshToken }: { refreshToken: string }) => post(other, '/auth/logout', { refreshToken });

async function statusOf(token: string): Promise<number> {
  const response = await fetch(service.url, { headers: { Authorization: `Bearer ${token}` } });
  await response.text();
  return response.status;
}

/** What the service says of a token, each change of its mind, until `isOver`. */
async function statuses(token: string, isOver: (status: number) => boolean): Promise<number[]> {
  const found: number[] = [];
  for (;;) {
    const status = await statusOf(token);
    if (found.at(-1) !== status) found.push(status);
    if (isOver(status)) return found;
    await delay(20);
  }
}

const faults: readonly [string, begin: () => unknown, end: () => unknown][] = [
  ['its feed is cut', () => feed.refuse(), () => feed.restore()],
  ['a proxy swallows its feed', () => feed.silence(), () => feed.restore()],
  [
    'the instance that it follows is frozen',
    () => followed.child.kill('SIGSTOP'),
    () => followed.child.kill('SIGCONT'),
  ],
  ['the instance that it follows loses the database', () => path.refuse(), () => path.restore()],
  ['the instance that it follows hears nothing of the database', () => path.silence(), () => path.restore()],
];

describe('A service without a database', () => {
  it.each(faults)(
    'answers 503 after its bound while %s, and then is right again',
    async (_, begin, end) => {
      const [live, ended] = [await signIn(), await signIn()];
      await until(
        async () => (await statusOf(live.accessToken)) === 200 && (await statusOf(ended.accessToken)) === 200,
      );
      await begin();
      await logOut(ended);
      const during = await Promise.all(
        [live, ended].map(({ accessToken }) => statuses(accessToken, (status) => status === 503)),
      );
      // It is refused if that was known before the fault, and never granted after the bound.
      expect(during[0]).toEqual([200, 503]);
      expect([
        [200, 503],
        [200, 401, 503],
        [401, 503],
      ]).toContainEqual(during[1]);
      await end();
      const after = await Promise.all([
        statuses(live.accessToken, (status) => status === 200),
        statuses(ended.accessToken, (status) => status === 401),
      ]);
      expect(after).toEqual([
        [503, 200],
        [503, 401],
      ]);
    },
    120_000,
  );

  it('goes on at another instance with the same cursor', async () => {
    const user = await signIn();
    await until(async () => (await statusOf(user.accessToken)) === 200);
    await feed.restore(addressOf(other));
    await logOut(user);
    expect(await statuses(user.accessToken, (status) => status === 401)).toEqual([200, 401]);
    await feed.restore(addressOf(followed));
  });

  it('that was frozen grants nothing to what was ended meanwhile, not even at its first request', async () => {
    for (let round = 0; round < 3; round++) {
      const user = await signIn();
      await until(async () => (await statusOf(user.accessToken)) === 200);
      service.child.kill('SIGSTOP');
      await logOut(user);
      await delay(4000);
      const answers = Promise.all(Array.from({ length: 8 }, () => statusOf(user.accessToken))); // they wait at its door
      service.child.kill('SIGCONT');
      expect(new Set(await answers)).toEqual(new Set([401]));
    }
  }, 60_000);
});
