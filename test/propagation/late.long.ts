import { SecurityPolicyRepository, SessionRepository, TypeOrmUnitOfWork } from '../../src';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { until } from '../support/until';

describe('a revocation whose transaction is open for long', () => {
  let database: TestDatabase;
  let first: TestApplication;
  let second: TestApplication;
  beforeAll(async () => {
    database = await testDatabase();
    const env = { ACCESS_TOKEN_KEYS: `test:${Buffer.alloc(32, 1).toString('base64')}` };
    first = await startTestApplication({ database, env });
    second = await startTestApplication({ database, env });
  });
  afterAll(async () => {
    for (const application of [first, second]) await application.close();
    await database.close();
  });

  /** Guarded, and refused by its body before anything is read: 400 is the guard's yes. */
  const probe = async (bearer: string): Promise<number> =>
    (await second.request('POST', '/auth/password', { body: {}, bearer })).status;
  const account = async () => {
    const user = await first.register();
    const { body } = await first.logIn(user);
    return { ...user, sessionId: body.sessionId as string, token: body.accessToken as string };
  };

  // Seen red when readings catch up by created_at: it is older than what has been read by then.
  it('is seen within a second of its commit, after 5 s', async () => {
    const [loggedOut, raised, meanwhile] = await Promise.all([account(), account(), account()]);
    const committed = first.app.get(TypeOrmUnitOfWork).run(async () => {
      await first.app.get(SessionRepository).revoke(loggedOut.sessionId, 'admin_action');
      await first.app.get(SecurityPolicyRepository).raiseUserFloor(raised.id, 'a slow change', null);
      // Twice, since a statement may take 5 s at most.
      for (let half = 0; half < 2; half++) await first.app.get(TypeOrmUnitOfWork).manager.query('SELECT pg_sleep(2.5)');
    });
    // Others commit while it is open, so that the readings go on past it.
    await first.request('POST', '/auth/logout', { bearer: meanwhile.token });
    await until(async () => (await probe(meanwhile.token)) === 401);
    expect(await probe(loggedOut.token)).toBe(400);
    expect(await probe(raised.token)).toBe(400);

    await committed;
    const committedAt = performance.now();
    await until(async () => (await probe(loggedOut.token)) === 401);
    await until(async () => (await probe(raised.token)) === 401);
    expect(performance.now() - committedAt).toBeLessThan(1000);
  });
});
