import { type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { changePassword, rotateUser, statusOfMe } from './support/administration';
import { age, rowOf } from './support/sessions';

const MAX = 3;
const DAY = 24 * 60 * 60;

describe(`Where a user may have ${MAX} sessions`, () => {
  let app: TestApplication;
  let account: Awaited<ReturnType<TestApplication['register']>>;
  beforeAll(async () => {
    app = await startTestApplication({ env: { MAX_SESSIONS_PER_USER: String(MAX) } });
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    account = await app.register();
  });

  const open = async (): Promise<Json> => (await app.logIn(account)).body;
  const openMany = async (count: number): Promise<Json[]> => {
    const opened: Json[] = [];
    for (let i = 0; i < count; i++) opened.push(await open());
    return opened;
  };
  const live = (): Promise<{ id: string }[]> =>
    app.query('SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now()', [account.id]);

  it('one more ends the one that was used least recently, with its tokens and its record', async () => {
    const [first, second, third] = await openMany(3);
    const refreshed = (await app.refresh(first.refreshToken)).body;
    const stranger = (await app.logIn()).body;

    const fourth = await open();

    expect(await rowOf(app, second.sessionId)).toMatchObject({ revoked_reason: 'session_limit_exceeded' });
    expect(await app.refresh(second.refreshToken)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    expect(await statusOfMe(app, second.accessToken)).toBe(401);
    for (const { accessToken } of [refreshed, third, fourth, stranger])
      expect(await statusOfMe(app, accessToken)).toBe(200);
    for (const { refreshToken } of [refreshed, third, fourth, stranger]) {
      expect((await app.refresh(refreshToken)).status).toBe(200);
    }

    const evicted = (await app.events({ sessionId: second.sessionId })).find(
      ({ type }) => type === 'auth.session.evicted.v1',
    );
    expect(evicted).toMatchObject({
      type: 'auth.session.evicted.v1',
      user_id: account.id,
      outcome: 'succeeded',
      reason: 'session_limit_exceeded',
    });
    // It is part of the login that made it necessary, and tells nobody anything about that one's session.
    const attempt = await app.events({ attemptId: evicted.attempt_id });
    expect(attempt.map(({ type, session_id }) => [type, session_id])).toEqual([
      ['auth.login.attempted.v1', fourth.sessionId],
      ['auth.session.evicted.v1', second.sessionId],
      ['auth.session.created.v1', fourth.sessionId],
      ['auth.login.succeeded.v1', fourth.sessionId],
    ]);
  });

  it('sessions that are over make no room necessary', async () => {
    const [loggedOut, idle, ...others] = await openMany(3);
    await app.post('/auth/logout', { refreshToken: loggedOut.refreshToken });
    await age(app, idle.sessionId, 7 * DAY);
    others.push(...(await openMany(2)));
    expect((await live()).map(({ id }) => id).toSorted()).toEqual(others.map(({ sessionId }) => sessionId).toSorted());
    expect(await rowOf(app, loggedOut.sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
    expect(await rowOf(app, idle.sessionId)).toMatchObject({ revoked_at: null });
  });

  it('what a raised floor has ended goes first', async () => {
    const dead = await openMany(3);
    await rotateUser(app, account.id);
    const opened = await openMany(3);
    for (const { sessionId } of dead) {
      expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'session_limit_exceeded' });
    }
    for (const { refreshToken } of opened) expect((await app.refresh(refreshToken)).status).toBe(200);
  });

  it('a new password takes the room of the sessions that it ends', async () => {
    const [, , current] = await openMany(3);
    const changed = await changePassword(app, current.accessToken, account, 'another long passphrase');
    expect(changed.status).toBe(200);
    expect(await live()).toEqual([{ id: changed.body.sessionId }]);
    expect((await app.events({ userId: account.id })).map(({ type }) => type)).not.toContain('auth.session.evicted.v1');
  });

  // Seen red without the lock of the user: up to 20 were left.
  it('twenty logins at once never leave more, and each is answered', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => app.logIn(account)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    const left = (await live()).map(({ id }) => id);
    expect(left).toHaveLength(MAX);
    const evicted = (await app.events({ userId: account.id })).filter(({ type }) => type === 'auth.session.evicted.v1');
    expect(new Set(evicted.map(({ session_id }) => session_id)).size).toBe(20 - MAX);
    expect(evicted).toHaveLength(20 - MAX);
    for (const { body } of answers) {
      const refreshed = await app.refresh(body.refreshToken);
      expect(refreshed.status).toBe(left.includes(body.sessionId) ? 200 : 401);
    }
  });
});
