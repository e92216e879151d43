import { CommandBus } from '@nestjs/cqrs';
import { CleanUpSessionsCommand, SessionRepository } from '../../src';
import { type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase } from '../support/database/test-database';
import { changePassword, rotateUser, statusOfMe } from './support/administration';
import { age, copy, rowOf } from './support/sessions';

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

  // Seen red with a live condition without the floor: the login evicts what is over, and records it.
  it('what a raised floor has ended takes no room', async () => {
    const dead = await openMany(3);
    await rotateUser(app, account.id);
    const opened = await openMany(3);
    for (const { sessionId } of dead) expect(await rowOf(app, sessionId)).toMatchObject({ revoked_at: null });
    for (const { refreshToken } of opened) expect((await app.refresh(refreshToken)).status).toBe(200);
  });

  it('a new password takes the room of the sessions that it ends', async () => {
    const [, , current] = await openMany(3);
    const changed = await changePassword(app, current.accessToken, account, 'another long passphrase');
    expect(changed.status).toBe(200);
    expect(await app.app.get(SessionRepository).countLiveOfUser(account.id)).toBe(1);
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

describe('Where a user has 2,600 sessions and may have 100', () => {
  // Seen red with a login that evicts them all, and with a clean-up that leaves the rest.
  it('a login ends 1,000 of those above, and the next clean-up the others', async () => {
    const database = await testDatabase();
    const [open, limited] = await Promise.all([
      startTestApplication({ database, env: { MAX_SESSIONS_PER_USER: '0' } }),
      startTestApplication({ database }),
    ]);
    const live = ({ id }: { id: string }) => open.app.get(SessionRepository).countLiveOfUser(id);
    const cleanUp = () => limited.app.get(CommandBus).execute(new CleanUpSessionsCommand());
    try {
      const [account, crowded] = [await open.register(), await open.register()];
      for (const { one, copies } of [
        { one: account, copies: 99 },
        { one: crowded, copies: 2599 },
      ])
        await copy(open, (await open.logIn(one)).body.sessionId, copies);
      const { body: last } = await limited.logIn(crowded);
      expect(await live(crowded)).toBe(1601);

      expect(await cleanUp()).toMatchObject({ evictedSessions: 1501, failures: [] });
      expect(await live(crowded)).toBe(100);
      expect(await live(account)).toBe(100);
      expect((await limited.refresh(last.refreshToken)).status).toBe(200);
      const evicted = (await open.events({ userId: crowded.id })).filter(
        ({ type }) => type === 'auth.session.evicted.v1',
      );
      expect(new Set(evicted.map(({ session_id }) => session_id)).size).toBe(2501);
      expect(evicted).toHaveLength(2501);
      expect(await cleanUp()).toMatchObject({ evictedSessions: 0 });
    } finally {
      await Promise.all([open.close(), limited.close()]);
      await database.close();
    }
  });
});

describe.each<[kept: number, where: string, env: Readonly<Record<string, string>>]>([
  [100, 'nothing is set', {}],
  [151, 'it is 0', { MAX_SESSIONS_PER_USER: '0' }],
])('Of 150 sessions and a login', (kept, where, env) => {
  it(`${kept} are kept where ${where}`, async () => {
    const app = await startTestApplication({ env });
    try {
      const account = await app.register();
      await copy(app, (await app.logIn(account)).body.sessionId, 149);
      expect((await app.logIn(account)).status).toBe(200);
      const [live] = await app.query(
        'SELECT count(*)::integer FROM sessions WHERE user_id = $1 AND revoked_at IS NULL',
        [account.id],
      );
      expect(live).toEqual({ count: kept });
    } finally {
      await app.close();
    }
  });
});
