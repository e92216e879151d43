import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RevocationView } from '../../src';
import { newAccessTokenKey } from '../../src/new-keys';
import { buildIfStale, spawnApplication } from '../support/app/child-application';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { until } from '../support/until';
import { describeWithPair, Pair } from './pair';

const SETTINGS = {
  REVOCATION_NOTIFY: 'none',
  ACCESS_TOKEN_KEYS: `test:${newAccessTokenKey('HS256')}`,
  REFRESH_TOKEN_KEYS: `0:${randomBytes(32).toString('base64')}`,
};

describeWithPair('what is ended, where hints are switched off', () => {
  let pair: Pair;
  let awake: TestApplication;
  const closers: (() => Promise<unknown>)[] = [];
  beforeAll(buildIfStale, 120_000);
  beforeEach(async () => {
    pair = await Pair.start();
    closers.push(() => pair.remove());
  });
  /** In the reverse order of the opening, as far as that has come. */
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function start(env: Readonly<Record<string, string>> = {}): Promise<TestApplication> {
    const database = { url: pair.url, connect: () => Promise.reject(new Error()), close: () => Promise.resolve() };
    const application = await startTestApplication({ database, env: { ...SETTINGS, ...env } });
    closers.push(application.close);
    return application;
  }

  /** The built application in a process of its own, which can be put to sleep. */
  async function startSleeper() {
    const folder = await mkdtemp(join(tmpdir(), 'ratchet-failover-'));
    const env = { NODE_ENV: 'test', HOST: '127.0.0.1', LOG_LEVEL: 'warn', SWAGGER_ENABLED: 'false', ...SETTINGS };
    const { child, exited, listening } = spawnApplication(folder, { ...env, DATABASE_URL: pair.url }, 'build');
    closers.push(async () => {
      child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true });
    });
    return { url: await listening(), signal: (signal: NodeJS.Signals) => child.kill(signal) };
  }

  /** Guarded, and refused by its body before anything is read: 400 is the guard's yes. */
  const statusAt = async ({ url }: { url: string }, token: string): Promise<number> => {
    const response = await fetch(`${url}/auth/password`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
      body: '{}',
    });
    await response.text();
    return response.status;
  };
  const logIn = async () => (await awake.logIn()).body as { accessToken: string; refreshToken: string };
  const logOut = async ({ refreshToken }: { refreshToken: string }) =>
    expect((await awake.post('/auth/logout', { refreshToken })).status).toBe(204);
  /** As other applications of the same server do. */
  const useTransactionIds = (server: Pair['primary'], number: number) =>
    server.ask(`DO $$ BEGIN FOR i IN 1..${number} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$`);

  // Seen red when the same horizon is asked of every server: the new one had got past it, with an ended session below it.
  it('is refused by every instance within 5 s after a failover that lost commits, by one that slept through it, too', async () => {
    awake = await start();
    const asleep = await startSleeper();
    const view = awake.app.get(RevocationView);
    const [lost, last, later] = [await logIn(), await logIn(), await logIn()];

    await pair.lose(async () => {
      await logOut(lost);
      await useTransactionIds(pair.primary, 2000);
      await logOut(last);
      // What it asks for next is beyond all that is lost.
      await until(async () => (await statusAt(asleep, last.accessToken)) === 401);
      expect(await statusAt(asleep, later.accessToken)).toBe(400);
    });
    expect(view.otherServerAnswered).toBe(false);
    asleep.signal('SIGSTOP');
    await pair.failOver();
    await until(async () => (await awake.get('/health/ready')).status === 200);

    await logOut(later);
    await useTransactionIds(pair.standby, 4000);
    await delay(3000); // longer than two readings
    asleep.signal('SIGCONT');
    const wokenAt = performance.now();
    let status;
    do status = await statusAt(asleep, later.accessToken);
    while (status !== 401 && performance.now() - wokenAt < 5000);
    expect(status).toBe(401);
    expect(await statusAt(awake, later.accessToken)).toBe(401);
    expect(view.otherServerAnswered).toBe(true);
    // Their log-outs are lost to the database, not to who had read them.
    for (const { accessToken } of [lost, last])
      for (const instance of [awake, asleep]) expect(await statusAt(instance, accessToken)).toBe(401);
  });

  // Seen red with a query that succeeds taken for news: an ended session was accepted for ever, healthy by every measure.
  it('is 503 where only a standby can be reached, once what is known is too old, until there is a primary', async () => {
    awake = await start();
    const cutOff = await start({ REVOCATION_MAX_STALENESS: '2s' });
    const ended = await logIn();
    const live = await logIn();
    await pair.caughtUp();
    expect(await statusAt(cutOff, ended.accessToken)).toBe(400);
    await pair.lose(async () => {
      await logOut(ended);
      await pair.pointTo('standby');
      await until(async () => (await statusAt(cutOff, live.accessToken)) === 503);
      expect((await cutOff.get('/health/ready')).status).toBe(503);
    });
    await pair.pointTo('primary');
    await until(async () => (await statusAt(cutOff, live.accessToken)) === 400);
    expect(await statusAt(cutOff, ended.accessToken)).toBe(401);
  });
});
