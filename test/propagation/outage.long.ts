import { setTimeout as delay } from 'node:timers/promises';
import { RevocationView } from '../../src';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { proxyOf, serverOf } from '../support/network/database-proxy';
import type { TcpProxy } from '../support/network/tcp-proxy';
import { until } from '../support/until';
import { ownServer } from './own-server';

const BOUND_SECONDS = 5;
const SETTINGS = {
  REVOCATION_MAX_STALENESS: `${BOUND_SECONDS}s`,
  ACCESS_TOKEN_KEYS: `test:${Buffer.alloc(32, 1).toString('base64')}`,
  REFRESH_TOKEN_KEYS: `0:${Buffer.alloc(32, 'r').toString('base64')}`,
};

describe('without its database', () => {
  let server: Awaited<ReturnType<typeof ownServer>>;
  let proxy: TcpProxy;
  let first: TestApplication;
  let second: TestApplication;

  beforeAll(async () => {
    server = await ownServer({ migrated: true });
    closers.push(() => server.remove());
    // The server moves with each start; behind this its address stays.
    const { proxy: started, url } = await proxyOf(server.url());
    proxy = started;
    closers.push(() => proxy.close());
    const database = { url, connect: () => Promise.reject(new Error()), close: () => Promise.resolve() };
    const start = async (): Promise<TestApplication> => {
      const application = await startTestApplication({ database, env: { ...SETTINGS, LOG_LEVEL: 'info' } });
      closers.push(application.close);
      return application;
    };
    [first, second] = await Promise.all([start(), start()]);
  });
  /** In the reverse order of the opening, as far as that has come. */
  const closers: (() => Promise<unknown>)[] = [];
  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });

  /** Guarded, and refused by its body before anything is read: 400 is the guard's yes. */
  const probe = (application: TestApplication, bearer: string) =>
    application.request('POST', '/auth/password', { body: {}, bearer });

  // Seen red when LISTEN is not taken up again: the second half waits for ever.
  describe.each<[how: string, stop: () => Promise<void> | void, start: () => Promise<void>]>([
    [
      'stopped',
      () => server.stop(),
      async () => {
        await server.start();
        await proxy.restore(serverOf(server.url()));
      },
    ],
    ['out of reach', () => proxy.silence(), () => proxy.restore()],
  ])('%s', (_, stop, start) => {
    it('guarded requests go on until the view is too old, then they are 503; it comes back without a restart', async () => {
      const account = await first.register();
      const { body: session } = await first.logIn(account);
      const view = first.app.get(RevocationView);
      expect((await probe(first, session.accessToken)).status).toBe(400);

      await stop();
      let passed = 0;
      let answer;
      for (;;) {
        const before = view.stalenessSeconds;
        answer = await probe(first, session.accessToken);
        if (answer.status !== 400) break;
        expect(before).toBeLessThanOrEqual(BOUND_SECONDS);
        passed++;
        await delay(20);
      }
      expect(view.stalenessSeconds).toBeGreaterThan(BOUND_SECONDS);
      expect(passed).toBeGreaterThan(0);
      expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable', recovery: 'retry' } });
      expect(answer.headers.get('Retry-After')).toBe('1');
      expect((await first.refresh(session.refreshToken)).status).toBe(503);

      await start();
      await until(async () => (await probe(first, session.accessToken)).status === 400);
      await until(async () => (await probe(second, session.accessToken)).status === 400);
      await until(async () => (await first.refresh(session.refreshToken)).status === 200);
      await until(async () => (await listeners()) === 2);
      // Nest has one logger for a process: both write into the log of whichever was started last.
      const told = () => [...first.log, ...second.log].map(({ msg }) => msg);
      await until(() => told().includes('Revocations are read again'));
      await until(() => told().includes('Listening for revocations again'));

      await until(
        async () => (await first.post('/auth/logout', { refreshToken: session.refreshToken })).status === 204,
      );
      expect((await probe(first, session.accessToken)).status).toBe(401);
      await until(async () => (await probe(second, session.accessToken)).status === 401);
    });
  });

  const listeners = async (): Promise<number> => {
    const [row] = await first.query(
      `SELECT count(*)::integer AS count FROM pg_stat_activity
       WHERE application_name = 'ratchet listen' AND query = 'LISTEN ratchet_ratchet_revocations' AND state = 'idle'`,
    );
    return row.count;
  };
});
