import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver';
import { startTestApplication, type Answer, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { type DatabaseProxy, startDatabaseProxy } from './support/database-proxy';
import { age, newRetryKey, openChain, rowOf } from './support/sessions';

const DAY = 24 * 60 * 60;

/** The statement to its end: `READ COMMITTED` is none. */
const COMMIT = 'COMMIT\0';

// Seen red: no limit on the wait for an answer, mute connections back in the pool, a fault that is 401, successors that are
// drawn instead of derived, junk that waits for its record.
describe('The application', () => {
  let database: TestDatabase;
  let proxy: DatabaseProxy;
  let app: TestApplication;
  beforeAll(async () => {
    database = await testDatabase();
    proxy = await startDatabaseProxy(database.url);
    app = await startTestApplication({
      database: { ...database, url: proxy.url },
      env: { AUDIT_DEADLINE: '1s' },
    });
    // Six seconds otherwise: new connections of the same kind, with less patience.
    ((app.app.get(DataSource).driver as PostgresDriver).master as Pool).options.query_timeout = 500;
    proxy.down();
    proxy.up();
  });
  afterAll(async () => {
    await app.close();
    await proxy.close();
    await database.close();
  });

  const expectUnavailable = ({ status, headers, body }: Answer) => {
    expect({ status, body }).toEqual({
      status: 503,
      body: {
        type: 'about:blank',
        title: 'Service Unavailable',
        status: 503,
        code: 'unavailable',
        recovery: 'retry',
      },
    });
    expect(headers.get('Retry-After')).toBe('1');
    expect(headers.get('Cache-Control')).toBe('no-store');
  };

  describe('while the database', () => {
    it.each(['down', 'silence'] as const)(
      'is gone (by %s), everything that needs it is 503, and afterwards nothing is lost',
      async (fault) => {
        const account = await app.register();
        const { current, tokens, sessionId } = await openChain(app, 2, { account });
        const { accessToken } = (await app.logIn(account)).body;
        const before = await rowOf(app, sessionId);
        // As under load: for each of the requests there is a connection already.
        await Promise.all(Array.from({ length: 8 }, () => app.query('SELECT pg_sleep(0.1)')));

        proxy[fault]();
        const answers = await Promise.all([
          app.refresh(current),
          app.refresh(tokens[1]!),
          app.refresh(tokens[0]),
          app.logIn(account),
          app.post('/auth/logout', { refreshToken: current }),
          app.get('/auth/me', accessToken),
          app.post('/auth/register', { email: 'sam@example.com', password: 'four sensible words here' }),
        ]);
        answers.forEach(expectUnavailable);
        // Junk is refused without the database.
        expect(await app.refresh('rt1_junk')).toMatchObject({ status: 401 });

        proxy.up();
        expect(await rowOf(app, sessionId)).toEqual(before);
        expect(await app.refresh(current)).toMatchObject({ status: 200, body: { generation: 3 } });
        expect(await app.get('/auth/me', accessToken)).toMatchObject({ status: 200 });
        expect(await app.logIn(account)).toMatchObject({ status: 200 });
      },
    );
  });

  describe('when the connection is cut', () => {
    const endingsOf = async (sessionId: string) => {
      const events = await app.events({ sessionId });
      const attempts = new Map<string, string[]>();
      for (const { attempt_id: attempt, type, outcome, reason } of events) {
        if (!type.startsWith('auth.token_refresh.') || outcome === 'attempted') continue;
        attempts.set(attempt, [...(attempts.get(attempt) ?? []), reason ?? outcome]);
      }
      return [...attempts.values()];
    };

    it.each([
      { name: 'within the window without a key', retryKey: undefined, seconds: 0 },
      { name: 'days later with the key', retryKey: newRetryKey(), seconds: 5 * DAY },
    ])('between the commit and the answer, a retry $name gets the successor', async ({ retryKey, seconds }) => {
      const { sessionId, current } = await openChain(app);

      proxy.cut('after', 'ratchet_ratchet_rotate');
      expectUnavailable(await app.refresh(current, retryKey));
      const committed = await rowOf(app, sessionId);
      expect(committed).toMatchObject({ generation: 1, revoked_at: null });
      // The fault that the application saw is no second ending: the rotation's own came first.
      expect(await endingsOf(sessionId)).toEqual([['succeeded']]);

      await age(app, sessionId, seconds);
      const retried = await app.refresh(current, retryKey);
      expect(retried).toMatchObject({ status: 200, body: { generation: 1 } });
      expect(await rowOf(app, sessionId)).toMatchObject({ generation: 1, token_hash: committed.token_hash });
      expect(await app.refresh(retried.body.refreshToken, newRetryKey())).toMatchObject({
        status: 200,
        body: { generation: 2 },
      });
      expect(await endingsOf(sessionId)).toEqual([['succeeded'], ['succeeded'], ['succeeded']]);
    });

    it('after a replay has committed, one more retry gets the same successor', async () => {
      const { tokens, current, sessionId } = await openChain(app, 1);
      proxy.cut('after', 'ratchet_ratchet_confirm_replay');
      expectUnavailable(await app.refresh(tokens[0]));
      expect(await app.refresh(tokens[0])).toMatchObject({ status: 200, body: { refreshToken: current } });
      expect(await endingsOf(sessionId)).toEqual([['succeeded'], ['succeeded'], ['succeeded']]);
    });

    it.each(['ratchet_ratchet_find_for_refresh', 'ratchet_ratchet_rotate'])(
      'before %s reaches the database, nothing has happened',
      async (statement) => {
        const { sessionId, current } = await openChain(app);
        const before = await rowOf(app, sessionId);
        proxy.cut('before', statement);
        expectUnavailable(await app.refresh(current));
        expect(await rowOf(app, sessionId)).toEqual(before);
        expect(await endingsOf(sessionId)).toEqual([['fault']]);
        expect(await app.refresh(current)).toMatchObject({ status: 200, body: { generation: 1 } });
      },
    );

    it.each([
      { when: 'before', revoked: null },
      { when: 'after', revoked: 'reuse_detected' },
    ] as const)('$when the commit of a revocation, its record says what happened', async ({ when, revoked }) => {
      const { sessionId, tokens } = await openChain(app, 2);
      proxy.cut(when, COMMIT);
      expectUnavailable(await app.refresh(tokens[0]));
      expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: revoked });
      const ending = revoked === null ? 'fault' : 'token_revoked';
      expect((await endingsOf(sessionId)).slice(2)).toEqual([[ending]]);
      expect(await app.refresh(tokens[0])).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
      expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
    });

    it.each(['before', 'after'] as const)('%s the commit of a log-out, it can be repeated', async (when) => {
      const { sessionId, current } = await openChain(app);
      proxy.cut(when, COMMIT);
      expectUnavailable(await app.post('/auth/logout', { refreshToken: current }));
      expect(await app.post('/auth/logout', { refreshToken: current })).toMatchObject({ status: 204 });
      expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
      expect(await app.refresh(current)).toMatchObject({ status: 401 });
    });

    it('after a login has committed, the account has a session that nobody holds, and logs in again', async () => {
      const account = await app.register();
      proxy.cut('after', COMMIT);
      expectUnavailable(await app.logIn(account));
      expect(await app.logIn(account)).toMatchObject({ status: 200 });
      const outcomes = (await app.events({ userId: account.id })).map(({ type }) => type);
      expect(outcomes.filter((type) => type === 'auth.login.succeeded.v1')).toHaveLength(2);
      expect(outcomes).not.toContain('auth.login.failed.v1');
    });
  });
});
