import { randomUUID } from 'node:crypto';
import { AccessTokenSigner } from '../../src';
import { startTestApplication, type Json, type TestApplication } from '../support/app/test-application';
import { age, forge, openChain, rowOf, sealElsewhere, TRUSTING, userFloorOf } from './support/sessions';

const DAY = 24 * 60 * 60;

// Seen red: only live sessions ended, the revocation outside the transaction of its record.
describe('A log-out', () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ env: TRUSTING });
  });
  afterAll(() => app.close());

  const trailOf = async (sessionId: string): Promise<Json[]> => {
    const events = await app.events({ sessionId });
    return events.slice(events.findIndex(({ type }) => type === 'auth.logout.attempted.v1'));
  };
  const typesOf = (trail: readonly Json[]) => trail.map(({ type }) => type);

  /** As the session's own access token was, an hour ago. */
  const expired = (sub: string, sid: string) => {
    const now = Math.floor(Date.now() / 1000);
    const stamps = { tokenVersion: 1, globalVersionAtIssuance: 1 };
    const claims = { sub, sid, jti: randomUUID(), iat: now - 3600, exp: now - 2700, roles: [], stamps };
    return app.app.get(AccessTokenSigner, { strict: false }).sign(claims);
  };

  it.each([
    { by: 'the current refresh token', generation: 3 },
    { by: 'the one before it, long after the window', generation: 2, seconds: DAY },
    { by: 'the oldest', generation: 0 },
    { by: 'one that has expired', generation: 3, seconds: 31 * DAY },
  ])('by $by ends the session', async ({ generation, seconds = 0 }) => {
    const { sessionId, account, tokens, current } = await openChain(app, 3);
    const other = await openChain(app, 0, { account });
    await age(app, sessionId, seconds);

    const answer = await app.post('/auth/logout', { refreshToken: tokens[generation] });

    expect(answer).toMatchObject({ status: 204, body: undefined });
    expect(answer.headers.get('Cache-Control')).toBe('no-store');
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
    expect(await app.refresh(current)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    const [attempted, revoked, succeeded] = await trailOf(sessionId);
    expect(typesOf([attempted, revoked, succeeded])).toEqual([
      'auth.logout.attempted.v1',
      'auth.session.revoked.v1',
      'auth.logout.succeeded.v1',
    ]);
    expect(revoked.reason).toBe('user_logout');
    expect(succeeded.details).toEqual({ revokedSessions: 1 });
    for (const event of [attempted, revoked, succeeded]) {
      expect(event).toMatchObject({ user_id: account.id, attempt_id: attempted.attempt_id });
    }
    // One device, not the person.
    expect(await userFloorOf(app, account.id)).toBe(1);
    expect(await app.refresh(other.current)).toMatchObject({ status: 200 });
  });

  it.each(['live', 'expired'])('by an access token that is %s ends its session', async (state) => {
    const account = await app.register();
    const { accessToken, refreshToken, sessionId } = (await app.logIn(account)).body;
    const bearer = state === 'live' ? accessToken : await expired(account.id, sessionId);
    if (state === 'expired') expect(await app.get('/auth/me', bearer)).toMatchObject({ status: 401 });
    expect(await app.request('POST', '/auth/logout', { bearer })).toMatchObject({ status: 204 });
    expect(await app.refresh(refreshToken)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
  });

  it('that is repeated changes nothing more', async () => {
    const { sessionId, current } = await openChain(app);
    await app.post('/auth/logout', { refreshToken: current });
    const ended = await rowOf(app, sessionId);
    expect(await app.post('/auth/logout', { refreshToken: current })).toMatchObject({ status: 204 });
    expect(await rowOf(app, sessionId)).toEqual(ended);
    const trail = await trailOf(sessionId);
    expect(typesOf(trail.slice(3))).toEqual(['auth.logout.attempted.v1', 'auth.logout.succeeded.v1']);
    expect(trail.at(-1).details).toEqual({ revokedSessions: 0 });
  });

  it('that comes 20 times at once ends the session once', async () => {
    const { sessionId, current } = await openChain(app);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => app.post('/auth/logout', { refreshToken: current })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(204));
    const types = typesOf(await app.events({ sessionId }));
    expect(types.filter((type) => type === 'auth.session.revoked.v1')).toHaveLength(1);
    expect(types.filter((type) => type === 'auth.logout.succeeded.v1')).toHaveLength(20);
  });

  it('after a reuse leaves the reason as it was', async () => {
    const { sessionId, tokens, current } = await openChain(app, 2);
    await app.refresh(tokens[0]);
    expect(await app.post('/auth/logout', { refreshToken: current })).toMatchObject({ status: 204 });
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
  });

  it.each([
    {
      what: 'of a session that there is not',
      spell: (token: string) => forge(app, token, { sessionId: randomUUID() }),
    },
    { what: "by somebody else's key", spell: (token: string) => sealElsewhere(app, token, 0) },
    { what: 'of junk', spell: () => 'junk' },
    { what: 'of nothing', spell: () => '' },
  ])('by a token $what is answered as any other, and ends nothing', async ({ spell }) => {
    const { sessionId, current } = await openChain(app);
    expect(await app.post('/auth/logout', { refreshToken: spell(current) })).toMatchObject({
      status: 204,
      body: undefined,
    });
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_at: null });
  });

  it.each(['junk', 'eyJhbGciOiJub25lIn0.e30.', `rt1_${'A'.repeat(92)}`])(
    'by a bearer token that is none is answered as any other: %s',
    async (bearer) => {
      expect(await app.request('POST', '/auth/logout', { bearer })).toMatchObject({ status: 204 });
    },
  );

  it('by nothing at all is 400', async () => {
    expect(await app.post('/auth/logout', {})).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });

  it('that cannot be recorded is 503, has ended nothing, and can be repeated', async () => {
    const { sessionId, current } = await openChain(app);
    await app.query('ALTER TABLE auth_events RENAME TO auth_events_away');
    try {
      const { status, headers, body } = await app.post('/auth/logout', { refreshToken: current });
      expect({ status, recovery: body.recovery }).toEqual({ status: 503, recovery: 'retry' });
      expect(headers.get('Retry-After')).toBe('1');
      expect(await rowOf(app, sessionId)).toMatchObject({ revoked_at: null });
    } finally {
      await app.query('ALTER TABLE auth_events_away RENAME TO auth_events');
    }
    expect(await app.post('/auth/logout', { refreshToken: current })).toMatchObject({ status: 204 });
    expect(await app.refresh(current)).toMatchObject({ status: 401 });
  });
});
