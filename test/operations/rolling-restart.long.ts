import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { newAccessTokenKey } from '../../src/new-keys';
import { buildIfStale, spawnApplication } from '../support/app/child-application';
import type { Json } from '../support/app/test-application';
import { freshDatabase, type TestDatabase } from '../support/database/test-database';
import { describeWith } from '../support/describe-with';
import { freePort } from '../support/free-port';
import { until } from '../support/until';

const HAPROXY = '/usr/sbin/haproxy';
const CLIENTS = 8;
/** Between two requests of a client, so that the machine can start an instance beside the load. */
const THINKING_MS = 20;

/** Of production, so that what is tried is what ships, `SHUTDOWN_DELAY` among it; the limits are for one address. */
const SETTINGS = {
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  BCRYPT_COST: '10',
  LOG_LEVEL: 'warn',
  MIGRATE_ON_START: 'false',
  PUBLIC_ORIGIN: 'https://app.example',
  LIMIT_LOGIN_PER_ACCOUNT: '0',
  LIMIT_LOGIN_ANYWHERE: '0',
  LIMIT_LOGIN_PER_IP: '0',
  LIMIT_REGISTER_PER_IP: '0',
  LIMIT_REFRESH_PER_SESSION: '0',
  LIMIT_REFRESH_PER_USER: '0',
  ACCESS_TOKEN_KEYS: `test:${newAccessTokenKey('HS256')}`,
  REFRESH_TOKEN_KEYS: `0:${randomBytes(32).toString('base64')}`,
};

type Instance = ReturnType<typeof spawnApplication>;

describeWith(HAPROXY, 'haproxy')('three instances behind HAProxy, with the configuration of deploy/', () => {
  let folder: string;
  let database: TestDatabase;
  let address: string;
  const ports: number[] = [];
  const closers: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    buildIfStale();
    folder = await mkdtemp(join(tmpdir(), 'ratchet-rolling-'));
    closers.push(() => rm(folder, { recursive: true }));
    database = await freshDatabase();
    closers.push(() => database.close());
  }, 120_000);
  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });

  async function start(port: number): Promise<Instance> {
    const env = { ...SETTINGS, PORT: String(port), DATABASE_URL: database.url };
    const instance = spawnApplication(folder, env, 'build');
    closers.push(() => {
      instance.child.kill('SIGKILL');
      return instance.exited;
    });
    await instance.listening();
    return instance;
  }

  async function startProxy(): Promise<void> {
    const shipped = await readFile(resolve(__dirname, '../../deploy/haproxy.cfg'), 'utf8');
    const config = join(folder, 'haproxy.cfg');
    await writeFile(
      config,
      shipped
        .replace(/^ +server two .*$/m, (line) => `${line}\n${line.replace('two', 'three').replace('TWO', 'THREE')}`)
        .replace('maxconn 10000', 'maxconn 1000'), // as many files as a machine of tests may open
    );
    const port = await freePort();
    const [RATCHET_ONE, RATCHET_TWO, RATCHET_THREE] = ports.map((one) => `127.0.0.1:${one}`);
    const proxy = spawn(HAPROXY, ['-db', '-f', config], {
      env: { RATCHET_BIND: `127.0.0.1:${port}`, RATCHET_ONE, RATCHET_TWO, RATCHET_THREE },
      stdio: 'ignore',
    });
    const exited = once(proxy, 'close');
    closers.push(() => {
      proxy.kill('SIGKILL');
      return exited;
    });
    address = `http://127.0.0.1:${port}`;
    await until(() => {
      if (proxy.exitCode !== null) throw new Error(`HAProxy ended with ${proxy.exitCode}`);
      return send('GET', '/auth/me').then(
        ({ status }) => status === 401,
        () => false,
      );
    });
  }

  const send = async (method: string, path: string, body?: object, token?: string) => {
    const response = await fetch(address + path, {
      method,
      headers: {
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  };

  /** The requests that an instance has had through the proxy. */
  const served = async (port: number): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(/^ratchet_refresh_total{outcome="rotated"} (\d+)$/m.exec(text)?.[1] ?? 0);
  };

  // Seen red without `drain` in main.ts.
  it('restart one after the other under load, and no client is signed out, reset or refused', async () => {
    for (let count = 0; count < 3; count++) ports.push(await freePort());
    const instances = [];
    for (const port of ports) instances.push(await start(port));
    await startProxy();

    /** Of all requests, by status or by what broke instead. */
    const outcomes = new Map<string, number>();
    const stop = new AbortController();
    const client = async (tokens: Json): Promise<void> => {
      while (!stop.signal.aborted) {
        const requests = [
          () => send('POST', '/auth/refresh', { refreshToken: tokens.refreshToken }),
          () => send('GET', '/auth/me', undefined, tokens.accessToken),
        ];
        for (const request of requests) {
          const { status, body } = await request().catch((error: unknown) => ({
            status: String((error as { cause?: unknown }).cause ?? error),
            body: null,
          }));
          outcomes.set(String(status), (outcomes.get(String(status)) ?? 0) + 1);
          if (status === 200 && body.refreshToken !== undefined) tokens = body;
          await delay(THINKING_MS);
        }
      }
      expect((await send('POST', '/auth/refresh', { refreshToken: tokens.refreshToken })).status).toBe(200);
    };
    // One after the other, and before the load: hashing takes all of a small machine.
    const signedIn: Json[] = [];
    for (let at = 0; at < CLIENTS; at++) {
      const account = { email: `client-${at}@example.com`, password: 'a long enough passphrase' };
      expect((await send('POST', '/auth/register', account)).status).toBe(201);
      signedIn.push((await send('POST', '/auth/login', account)).body);
    }
    const clients = Promise.all(signedIn.map(client));

    try {
      for (const [at, port] of ports.entries()) {
        await until(async () => (await served(port)) > 0);
        instances[at]!.child.kill('SIGTERM');
        expect(await instances[at]!.exited).toBe(0);
        instances[at] = await start(port);
      }
      for (const port of ports) await until(async () => (await served(port)) > 0);
    } finally {
      stop.abort();
      await clients;
    }
    process.stdout.write(`Answers during the rolling restart: ${JSON.stringify([...outcomes])}\n`);
    expect([...outcomes.keys()]).toEqual(['200']);
  }, 180_000);
});
