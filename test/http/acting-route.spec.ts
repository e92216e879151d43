import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { ADAPTERS } from '../support/adapters';
import { ADMIN, type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { asAdmin } from './support/administration';

const REASON = 'Ticket 4711';

describe.each(ADAPTERS)('An administrator who acts for a user over %s', (adapter) => {
  let app: TestApplication;
  let user: Awaited<ReturnType<TestApplication['register']>>;
  let admin: Json;
  beforeAll(async () => {
    app = await startTestApplication({ adapter, env: { LIMIT_LIST_PER_USER: '2/1h', LOG_LEVEL: 'debug' } });
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    user = await app.register();
    // Of each test another one: the limit counts by administrator.
    const { id, ...account } = await app.register();
    await app.query(`UPDATE users SET roles = '{user,admin}' WHERE id = $1`, [id]);
    admin = { id, ...(await app.logIn(account)).body };
  });

  const act = (id: string = user.id, body: unknown = { reason: REASON }, bearer: string = admin.accessToken) =>
    app.request('POST', `/admin/users/${id}/act`, { bearer, body });
  const trail = async (userId: string) =>
    (await app.events({ userId })).filter(({ type }) => type.startsWith('auth.user.act'));

  it('gets an access token of that user for ten minutes, which names the administrator', async () => {
    const { status, headers, body } = await act();
    expect(status).toBe(200);
    expect(headers.get('Cache-Control')).toBe('no-store');
    expect(body).toEqual({
      accessToken: expect.any(String),
      tokenType: 'Bearer',
      expiresIn: 600,
      expiresAt: expect.any(String),
    });
    const { sub, act: actor, exp = 0 } = decodeJwt(body.accessToken);
    expect({ sub, actor }).toEqual({ sub: user.id, actor: expect.objectContaining({ sub: admin.id }) });
    expect(body.expiresAt).toBe(new Date(exp * 1000).toISOString());
    expect(await app.get('/auth/me', body.accessToken)).toMatchObject({ status: 200, body: { id: user.id } });
  });

  it('is in the trail with the reason, and the token is in neither trail nor log', async () => {
    const { accessToken } = (await act()).body;
    const [acted, ...others] = await trail(user.id);
    expect(others).toEqual([]);
    expect(acted).toMatchObject({
      type: 'auth.user.acted_as.v1',
      session_id: admin.sessionId,
      details: { actorId: admin.id, cause: REASON },
    });
    const signature = accessToken.split('.').at(-1);
    expect(JSON.stringify(await app.events({ userId: user.id }))).not.toContain(signature);
    expect(app.log.length).toBeGreaterThan(0);
    expect(JSON.stringify(app.log)).not.toContain(signature);
  });

  it('loses the token with a log-out', async () => {
    const { accessToken } = (await act()).body;
    await app.post('/auth/logout', { refreshToken: admin.refreshToken });
    expect((await app.get('/auth/me', accessToken)).status).toBe(401);
  });

  // Seen red with one status for all of them.
  it('is refused for nobody, for the inactive and for oneself, and the trail has each refusal', async () => {
    const nobody = randomUUID();
    expect(await act(nobody)).toMatchObject({ status: 404, body: { code: 'user_not_found' } });
    expect(await act(admin.id)).toMatchObject({ status: 409, body: { code: 'acting_for_oneself' } });
    await asAdmin(app, 'PATCH', `/admin/users/${user.id}`, { isActive: false });
    expect(await act()).toMatchObject({ status: 409, body: { code: 'user_inactive' } });
    for (const [id, reason] of [
      [nobody, 'user_not_found'],
      [admin.id, 'acting_for_oneself'],
      [user.id, 'user_inactive'],
    ])
      expect(await trail(id)).toMatchObject([{ outcome: 'failed', reason, details: { cause: REASON } }]);
  });

  it('is 403 for a session that has ended after the guard', async () => {
    await app.query('UPDATE sessions SET expires_at = now() WHERE id = $1', [admin.sessionId]);
    expect(await act()).toMatchObject({ status: 403, body: { code: 'actor_session_ended' } });
  });

  it.each([
    ['must be a string', {}],
    ['must not be empty', { reason: ' ' }],
    ['must have at most 500 characters', { reason: 'x'.repeat(501) }],
    ['change the direction of text', { reason: '\u202Ereason' }],
  ])('says why, and the rule otherwise: %s', async (rule, body) => {
    const answer = await act(user.id, body);
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: 'reason' }] } });
    expect(answer.body.errors[0].message).toContain(rule);
  });

  it('does not act through somebody else: neither a user nor a token of that kind may', async () => {
    const own = (await app.logIn(user)).body;
    expect(await act(admin.id, { reason: REASON }, own.accessToken)).toMatchObject({
      status: 403,
      body: { code: 'insufficient_scope' },
    });
    // Of an administrator, the user's roles would allow it.
    await asAdmin(app, 'PATCH', `/admin/users/${user.id}`, { roles: ['user', 'admin'] });
    const acting = (await act()).body.accessToken;
    const third = await app.register();
    expect(await act(third.id, { reason: REASON }, acting)).toMatchObject({
      status: 403,
      body: { code: 'in_person_required' },
    });
    expect(await trail(third.id)).toEqual([]);
  });

  it('proves the password first where the proof is too old', async () => {
    await app.query(`UPDATE sessions SET auth_time = now() - interval '1 hour' WHERE id = $1`, [admin.sessionId]);
    const stale = (await app.refresh(admin.refreshToken)).body.accessToken;
    expect(await act(user.id, { reason: REASON }, stale)).toMatchObject({
      status: 401,
      body: { recovery: 'step_up' },
    });
    expect(await trail(user.id)).toEqual([]);
  });

  // Seen red without the limit.
  it('is limited, by whom they act for or not', async () => {
    expect((await act()).status).toBe(200);
    expect((await act((await app.register()).id)).status).toBe(200);
    const answer = await act();
    expect(answer).toMatchObject({ status: 429, body: { code: 'throttled' } });
    expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(0);
    expect((await asAdmin(app, 'POST', `/admin/users/${user.id}/act`, { reason: REASON })).status).toBe(200);
  });
});

it('A token by which somebody acts lasts no longer than other access tokens', async () => {
  const app = await startTestApplication({ env: { ACCESS_TOKEN_TTL: '2m' } });
  try {
    const { id } = await app.register();
    const { body } = await asAdmin(app, 'POST', `/admin/users/${id}/act`, { reason: REASON });
    expect(body.expiresIn).toBe(120);
    expect((await app.logIn(ADMIN)).status).toBe(200);
  } finally {
    await app.close();
  }
});
