import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres';
import { spawnApplication } from '../support/app/child-application';
import type { Json } from '../support/app/test-application';
import { urlOf } from '../support/database/test-database';
import { until } from '../support/until';

describe('the process', () => {
  let folder: string;
  let data: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ratchet-process-'));
    data = join(folder, '.data/pg');
  });
  afterEach(async () => {
    for (const { child, exited } of started.splice(0)) {
      child.kill('SIGKILL');
      await exited;
    }
    if (serverRuns()) await (await startEmbeddedPostgres({ dataDir: data })).stop();
    await rm(folder, { recursive: true });
  });

  const started: ReturnType<typeof spawnApplication>[] = [];
  const start = (env?: Record<string, string>) => {
    const application = spawnApplication(folder, env);
    started.push(application);
    return application;
  };
  const serverRuns = () => existsSync(join(data, 'postmaster.pid'));

  it('says where it is and who may sign in, and on SIGTERM answers what is in flight, records what waits, exits with 0, and keeps everything for the next start', async () => {
    const { child, output, exited, listening } = start();
    const url = await listening();
    const accounts = [...output.stdout.matchAll(/^ +(\S+@\S+) {2}(.+)$/gm)];
    expect(output.stdout).toContain(`${url}/docs`);
    expect(accounts).toHaveLength(2);
    const [, email, password] = accounts[0] ?? [];

    // Beyond ten a minute and ip, junk has no record of its own until the minute, or the application, ends.
    for (let i = 0; i < 15; i++) expect((await post(url, '/auth/refresh', { refreshToken: 'junk' })).status).toBe(401);
    const lock = await lockEvents();
    const login = post(url, '/auth/login', { email, password });
    await lock.waitedFor();
    child.kill('SIGTERM');
    await until(() => refused(url));
    await lock.release();

    expect(await login).toMatchObject({ status: 200, body: { tokenType: 'Bearer' } });
    expect(await exited).toBe(0);
    expect(output.stderr).toBe('');
    expect(serverRuns()).toBe(false);

    const next = start();
    const nextUrl = await next.listening();
    const { body } = await post(nextUrl, '/auth/login', { email, password });
    const events = await fetch(`${nextUrl}/admin/audit-events?type=auth.refusals.aggregated.v1`, {
      headers: { Authorization: `Bearer ${body.accessToken}` },
    });
    expect(await events.json()).toMatchObject({ items: [{ details: { count: 5 } }] });
    next.child.kill('SIGINT');
    expect(await next.exited).toBe(0);
  });

  it('serves requests for SHUTDOWN_DELAY after the signal, with readiness 503 and connections that close, and then ends', async () => {
    const { child, exited, listening } = start({ SHUTDOWN_DELAY: '3s' });
    const url = await listening();
    child.kill('SIGTERM');
    await until(async () => (await fetch(`${url}/health/ready`)).status === 503);
    const response = await fetch(`${url}/health/live`);
    expect([response.status, response.headers.get('Connection')]).toEqual([200, 'close']);
    expect((await post(url, '/auth/login', { email: 'a@example.com', password: 'a guess' })).status).toBe(401);
    expect(await exited).toBe(0);
    await until(() => refused(url));
  });

  it('ends at once on a second signal', async () => {
    const { child, exited, listening } = start();
    const url = await listening();
    const lock = await lockEvents();
    const login = post(url, '/auth/login', { email: 'a@example.com', password: 'a long enough passphrase' });
    const lost = expect(login).rejects.toThrow();
    await lock.waitedFor();
    // More often than twice: a Ctrl-C may arrive doubled, so the repetition of the first second does not count.
    while (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGINT');
      await delay(50);
    }
    expect(await exited).toBe(1);
    await lost;
    await lock.release();
  });

  it.each([
    [
      'the settings are wrong',
      { BCRYPT_COST: 'much' },
      /^The configuration is not usable:\n {2}- BCRYPT_COST [^\n]*\n$/,
    ],
    ['the database refuses', databaseWithout, /^Ratchet stopped: database "nowhere" does not exist\n$/],
    ['the port is taken', takenPort, /^Ratchet stopped: listen EADDRINUSE[^\n]*\n$/],
  ])('tells in one message when %s, leaves nothing running, and exits with 1', async (_when, given, message) => {
    const { env, free } = typeof given === 'function' ? await given() : { env: given, free: () => undefined };
    const { output, exited } = start(env);
    expect(await exited).toBe(1);
    free();
    expect(output.stderr).toMatch(message);
    expect(serverRuns()).toBe(false);
  });

  async function takenPort() {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return { env: { PORT: String((server.address() as AddressInfo).port) }, free: () => server.close() };
  }

  async function databaseWithout() {
    const key = Buffer.from('not base64, but thirty-two bytes').toString('base64');
    const env = {
      NODE_ENV: 'test',
      DATABASE_URL: urlOf('nowhere'),
      ACCESS_TOKEN_KEYS: `a:${key}`,
      REFRESH_TOKEN_KEYS: `0:${key}`,
    };
    return { env, free: () => undefined };
  }

  /** Holds up whatever writes an event. */
  async function lockEvents() {
    const [, , , , socketFolder] = (await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n');
    const client = new Client({ host: socketFolder, user: 'postgres', database: 'postgres' });
    await client.connect();
    await client.query('BEGIN; LOCK TABLE ratchet.auth_events IN ACCESS EXCLUSIVE MODE');
    return {
      waitedFor: () => until(async () => (await client.query('SELECT FROM pg_locks WHERE NOT granted')).rowCount !== 0),
      release: () => client.end(),
    };
  }
});

async function post(url: string, path: string, body: object) {
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Json };
}

/** Whether nobody takes connections at the address any more. */
function refused(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
      socket.destroy();
      resolve(false);
    }).on('error', () => resolve(true));
  });
}
