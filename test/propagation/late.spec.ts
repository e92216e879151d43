import { RevocationView } from '../../src';
import { ADMIN, startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { until } from '../support/until';

const KEYS = {
  ACCESS_TOKEN_KEYS: `test:${Buffer.alloc(32, 1).toString('base64')}`,
  REFRESH_TOKEN_KEYS: `0:${Buffer.alloc(32, 'r').toString('base64')}`,
};

describe('what comes late', () => {
  let database: TestDatabase;
  let first: TestApplication;
  const started: TestApplication[] = [];

  const start = async (): Promise<TestApplication> => {
    const application = await startTestApplication({ database, env: KEYS });
    started.push(application);
    return application;
  };
  beforeAll(async () => {
    database = await testDatabase();
    first = await start();
  });
  afterAll(async () => {
    for (const application of started) await application.close();
    await database.close();
  });

  /** Guarded, and refused by its body before anything is read: 400 is the guard's yes. */
  const probe = async (application: TestApplication, bearer: string): Promise<number> =>
    (await application.request('POST', '/auth/password', { body: {}, bearer })).status;
  const account = async () => {
    const user = await first.register();
    const { body } = await first.logIn(user);
    return { ...user, sessionId: body.sessionId as string, token: body.accessToken as string };
  };
  const asAdmin = async (method: string, path: string, body: object): Promise<void> => {
    const { body: admin } = await first.logIn(ADMIN);
    const answer = await first.request(method, path, { body, bearer: admin.accessToken });
    expect([200, 201]).toContain(answer.status);
  };

  // Seen red when the view is made of the announcements: the rotation's is older than any that is read at a start.
  it('refuses what the others refuse, when an instance starts in the middle of a drain of an hour', async () => {
    const old = await account();
    const drain = { reason: 'breach', mode: 'drain', gracePeriodSeconds: 3600 };
    await asAdmin('POST', '/admin/security/rotations', drain);
    const draining = await account();
    await asAdmin('POST', '/admin/security/rotations', drain);
    const [current, loggedOut, raised, deactivated] = await Promise.all([account(), account(), account(), account()]);
    await first.query(`UPDATE revocations SET created_at = now() - interval '30 minutes'`);
    await first.request('POST', '/auth/logout', { bearer: loggedOut.token });
    await asAdmin('POST', `/admin/users/${raised.id}/rotations`, { reason: 'test' });
    await asAdmin('PATCH', `/admin/users/${deactivated.id}`, { isActive: false });

    const second = await start();
    for (const application of [first, second]) {
      const statuses = await Promise.all(
        [old, loggedOut, raised, deactivated, draining, current].map(({ token }) => probe(application, token)),
      );
      expect(statuses).toEqual([401, 401, 401, 401, 400, 400]);
    }
  });

  it('is waited for: an instance that has not read the revocations yet answers 503, and the others go on', async () => {
    const { token } = await account();
    // Nothing is missing, so the start goes through; only a reading of everything compares this column with a time.
    await first.query('ALTER TABLE revocations ALTER created_at DROP DEFAULT, ALTER created_at TYPE text');
    const second = await start();
    const answer = await second.request('POST', '/auth/password', { body: {}, bearer: token });
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable', recovery: 'retry' } });
    expect(answer.headers.get('Retry-After')).toBe('1');
    expect(await probe(second, 'not a token')).toBe(401);
    expect(await probe(first, token)).toBe(400);
    expect((await second.get('/metrics')).body).toContain('ratchet_revocation_view_staleness_seconds -1');

    await first.query(
      'ALTER TABLE revocations ALTER created_at TYPE timestamptz USING created_at::timestamptz, ALTER created_at SET DEFAULT now()',
    );
    await until(async () => (await probe(second, token)) === 400);
    expect(second.app.get(RevocationView).stalenessSeconds).toBeLessThan(60);
  });
});
