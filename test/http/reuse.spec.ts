import { SessionRepository } from '../../src';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { gate } from '../support/gate';
import { until } from '../support/until';
import { intercept } from './support/intercept';
import { age, type Chain, markedRowOf, openChain, present, rowOf, TRUSTING, userFloorOf } from './support/sessions';

const DAY = 24 * 60 * 60;

let database: TestDatabase;
let app: TestApplication;
let wholeUser: TestApplication;
beforeAll(async () => {
  database = await testDatabase();
  app = await startTestApplication({ database, env: TRUSTING });
  wholeUser = await startTestApplication({ database, env: { ...TRUSTING, REUSE_SCOPE: 'user' } });
});
afterAll(async () => {
  await Promise.all([app.close(), wholeUser.close()]);
  await database.close();
});

const typesOf = (trail: readonly { type: string }[]) => trail.map(({ type }) => type);

/** Presents the login's token of a session that was refreshed twice since. */
async function reuse(instance: TestApplication, account: Chain['account']): Promise<Chain> {
  const chain = await openChain(instance, 2, { account });
  expect(await instance.refresh(chain.tokens[0])).toMatchObject({ status: 401 });
  return chain;
}

describe('A superseded token', () => {
  it.each([
    { behind: 1, reuseClass: 'concurrent_late' },
    { behind: 2, reuseClass: 'stale' },
    { behind: 50, reuseClass: 'stale' },
  ])('$behind generations behind ends its session for both parties', async ({ behind, reuseClass }) => {
    const chain = await openChain(app, 50);
    const other = await openChain(app, 1, { account: chain.account });
    await age(app, chain.sessionId, 11);

    const { answer, trail } = await present(app, chain.tokens[50 - behind]!);

    expect(answer).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    expect(trail[1]).toMatchObject({
      type: 'auth.token.reuse_detected.v1',
      session_id: chain.sessionId,
      user_id: chain.account.id,
      generation: String(50 - behind),
      details: {
        generationsBehind: behind,
        reuseClass,
        rotatedBy: { ipAddress: '127.0.0.1', userAgent: 'node' },
        presentedBy: { ipAddress: trail[0].ip_address, userAgent: trail[0].user_agent },
      },
    });
    expect(await rowOf(app, chain.sessionId)).toMatchObject({ generation: 50, revoked_reason: 'reuse_detected' });
    for (const token of chain.tokens.slice(-3)) {
      expect(await app.refresh(token)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    }
    // The user's other devices go on.
    expect(await app.refresh(other.current)).toMatchObject({ status: 200 });
    expect(await userFloorOf(app, chain.account.id)).toBe(1);
  });

  it('is evidence of both parties: who rotated last, as the row knows it, and who presented it', async () => {
    const { email, password } = await app.register();
    const victim = { 'User-Agent': 'Browser/1', 'X-Forwarded-For': '192.0.2.1' };
    const thief = { 'User-Agent': 'curl/8', 'X-Forwarded-For': '2001:db8::bad' };
    const { sessionId, ...login } = (await app.post('/auth/login', { email, password, deviceId: 'laptop' }, victim))
      .body;
    const stolen = login.refreshToken;
    const first = await app.post('/auth/refresh', { refreshToken: stolen }, victim);
    await app.post(
      '/auth/refresh',
      { refreshToken: first.body.refreshToken },
      { ...victim, 'User-Agent': 'Browser/2' },
    );
    await age(app, sessionId, 3600);
    const { last_used_at: lastUsedAt } = await rowOf(app, sessionId);

    const answer = await app.post('/auth/refresh', { refreshToken: stolen, deviceId: 'a thief' }, thief);
    expect(answer.status).toBe(401);

    const trail = await app.events({ sessionId });
    const evidence = trail.find(({ type }) => type === 'auth.token.reuse_detected.v1');
    expect(evidence).toMatchObject({
      generation: '0',
      ip_address: '2001:db8::bad',
      user_agent: 'curl/8',
      details: {
        generationsBehind: 2,
        reuseClass: 'stale',
        rotatedBy: { ipAddress: '192.0.2.1', userAgent: 'Browser/2', at: lastUsedAt.toISOString(), deviceId: 'laptop' },
        presentedBy: { ipAddress: '2001:db8::bad', userAgent: 'curl/8', at: expect.any(String), deviceId: 'a thief' },
      },
    });
    const { secondsSinceRotation, presentedBy } = evidence.details;
    expect(secondsSinceRotation).toBe(Math.floor((Date.parse(presentedBy.at) - lastUsedAt.getTime()) / 1000));
    expect(secondsSinceRotation).toBeGreaterThanOrEqual(3600);
    // Neither token of the two is anywhere in it.
    for (const token of [stolen, first.body.refreshToken]) expect(JSON.stringify(trail)).not.toContain(token);
  });

  it('is found out whichever of the two comes late: the victim of a thief who refreshed twice', async () => {
    const { current: stolen, sessionId } = await openChain(app, 3);
    const first = await app.refresh(stolen);
    await app.refresh(first.body.refreshToken);

    expect(await app.refresh(stolen)).toMatchObject({ status: 401 });
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
  });
});

// Seen red: no escalation, a memory of two days, no lock of the user.
describe('The second reuse within a day', () => {
  it("ends all of the user's sessions and raises the user's floor, and nobody else's", async () => {
    const account = await app.register();
    const bystander = await openChain(app);
    const login = (await app.logIn(account)).body;
    const first = await reuse(app, account);
    expect(await rowOf(app, login.sessionId)).toMatchObject({ revoked_at: null });
    const second = await openChain(app, 2, { account });

    const { trail } = await present(app, second.tokens[0]);

    expect(typesOf(trail)).toEqual([
      'auth.token_refresh.attempted.v1',
      'auth.token.reuse_detected.v1',
      'auth.session.revoked.v1',
      'auth.sessions.all_revoked.v1',
      'auth.token_refresh.failed.v1',
    ]);
    expect(trail[3]).toMatchObject({ reason: 'reuse_detected', details: { revokedSessions: 1 } });
    for (const { sessionId } of [login, first, second]) {
      expect(await markedRowOf(app, sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
    }
    expect(await userFloorOf(app, account.id)).toBe(2);
    expect(await app.get('/auth/me', login.accessToken)).toMatchObject({ status: 401 });
    expect(await app.refresh(login.refreshToken)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });

    expect(await app.refresh(bystander.current)).toMatchObject({ status: 200 });
    const { body } = await app.logIn(account);
    expect(await app.get('/auth/me', body.accessToken)).toMatchObject({ status: 200 });
    expect(await app.refresh(body.refreshToken)).toMatchObject({ status: 200 });
  });

  // Seen red with an escalation at the second one alone.
  it('has escalated: each further one within the day does, too', async () => {
    const account = await app.register();
    await reuse(app, account);
    await reuse(app, account);
    const login = (await app.logIn(account)).body;
    await reuse(app, account);
    expect(await app.refresh(login.refreshToken)).toMatchObject({ status: 401 });
    expect(await userFloorOf(app, account.id)).toBe(3);
  });

  it('is counted from the day alone: a reuse of the day before yesterday is over', async () => {
    const account = await app.register();
    const { sessionId } = await reuse(app, account);
    await age(app, sessionId, DAY + 1);
    const login = (await app.logIn(account)).body;
    await reuse(app, account);
    expect(await app.refresh(login.refreshToken)).toMatchObject({ status: 200 });
    expect(await userFloorOf(app, account.id)).toBe(1);
  });

  // Seen red without the lock: each counts without the other, which has not committed.
  it('is seen also when both come at once', async () => {
    const account = await app.register();
    const login = (await app.logIn(account)).body;
    const [first, second] = [await openChain(app, 2, { account }), await openChain(app, 2, { account })];
    const over = gate();
    let counting = 0;
    const restore = intercept(app, SessionRepository, 'countReuses', async (proceed) => {
      const count: unknown = await proceed();
      counting++;
      await over.opened;
      return count;
    });
    const waits = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'`;
    const one = app.refresh(first.tokens[0]);
    await until(() => counting === 1);
    const other = app.refresh(second.tokens[0]);
    await until(async () => counting === 2 || (await app.query(waits)).length > 0);
    over.open();
    await Promise.all([one, other]);
    restore();
    expect(await markedRowOf(app, login.sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
    expect(await userFloorOf(app, account.id)).toBe(2);
  });

  it('is not a token of the same dead session that is presented again', async () => {
    const account = await app.register();
    const login = (await app.logIn(account)).body;
    const { tokens } = await reuse(app, account);
    for (const token of tokens) await app.refresh(token);
    expect(await app.refresh(login.refreshToken)).toMatchObject({ status: 200 });
  });
});

describe("With the user as reuse's scope", () => {
  it("the first reuse ends all of the user's sessions and raises the floor", async () => {
    const account = await wholeUser.register();
    const login = (await wholeUser.logIn(account)).body;
    await reuse(wholeUser, account);
    expect(await markedRowOf(app, login.sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
    expect(await userFloorOf(app, account.id)).toBe(2);
    expect(await wholeUser.get('/auth/me', login.accessToken)).toMatchObject({ status: 401 });
  });
});
