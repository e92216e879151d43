import { decodeJwt, decodeProtectedHeader } from 'jose';
import { startTestApplication, type Answer, type TestApplication } from '../support/app/test-application';
import { age, expectTrail, newRetryKey, openChain, present, rowOf, TRUSTING } from './support/sessions';

const UUID_V7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;
const REFRESH_TOKEN = /^rt1_[\w-]{92}$/;
const DAY = 24 * 60 * 60;

// Seen red: roles that are carried over, successors that are drawn instead of derived.
describe('A session', () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ env: TRUSTING });
  });
  afterAll(() => app.close());

  const expectPair = ({ status, headers, body }: Answer, sessionId: string, generation: number) => {
    expect(status).toBe(200);
    expect(headers.get('Content-Type')).toMatch(/^application\/json/);
    expect(headers.get('Cache-Control')).toBe('no-store');
    expect(headers.get('Pragma')).toBe('no-cache');
    expect(headers.has('Set-Cookie')).toBe(false);
    expect(body).toEqual({
      accessToken: expect.any(String),
      refreshToken: expect.stringMatching(REFRESH_TOKEN),
      tokenType: 'Bearer',
      expiresIn: 900,
      refreshExpiresIn: expect.any(Number),
      sessionId,
      generation,
    });
    // A replay tells what is left, so a second may have gone.
    expect(body.refreshExpiresIn).toBeLessThanOrEqual(7 * DAY);
    expect(body.refreshExpiresIn).toBeGreaterThan(7 * DAY - 60);
  };

  it('goes the whole way: register, log in, refresh, replay, reuse', async () => {
    const account = await app.register();
    const login = await app.logIn(account);
    expectPair(login, expect.stringMatching(UUID_V7), 0);
    const { sessionId } = login.body;

    const first = await app.refresh(login.body.refreshToken);
    expectPair(first, sessionId, 1);
    expect(first.body.refreshToken).not.toBe(login.body.refreshToken);

    const replay = await app.refresh(login.body.refreshToken);
    expectPair(replay, sessionId, 1);
    expect(replay.body.refreshToken).toBe(first.body.refreshToken);
    expect(replay.body.accessToken).not.toBe(first.body.accessToken);

    const second = await app.refresh(first.body.refreshToken);
    expectPair(second, sessionId, 2);

    const reuse = await app.refresh(login.body.refreshToken);
    expect(reuse).toMatchObject({ status: 401, body: { code: 'token_revoked', recovery: 'reauthenticate' } });
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 2, revoked_reason: 'reuse_detected' });
    for (const { body } of [login, first, second]) {
      expect(await app.refresh(body.refreshToken)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    }
  });

  it('ends with the log-out: nothing refreshes after it', async () => {
    const { sessionId, tokens, current } = await openChain(app, 1);
    expect(await app.post('/auth/logout', { refreshToken: current })).toMatchObject({ status: 204, body: undefined });
    for (const token of tokens) {
      expect(await app.refresh(token)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    }
    // Presented after a regular end, an old token is no theft.
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
  });

  // Seen red without the cap: what ends all but the current session finds nothing to end, and the token works on.
  it('is outlived by none of its access tokens', async () => {
    const { sessionId, current } = await openChain(app);
    let token = current;
    for (const seconds of [6 * DAY, 6 * DAY, 6 * DAY, 6 * DAY, 6 * DAY - 100]) {
      await age(app, sessionId, seconds);
      const rotation = (await app.refresh(token)).body;
      const replay = (await app.refresh(token)).body;
      const sessionEnds = Math.floor((await rowOf(app, sessionId)).expires_at.getTime() / 1000);
      for (const { accessToken, expiresIn } of [rotation, replay]) {
        const { iat, exp } = decodeJwt(accessToken);
        expect([exp, expiresIn]).toEqual([Math.min(iat! + 900, sessionEnds), exp! - iat!]);
      }
      token = rotation.refreshToken;
    }
    const { exp, iat } = decodeJwt((await app.refresh(token)).body.accessToken);
    expect(exp! - iat!).toBeLessThanOrEqual(100);
  });

  it('tells who the bearer of an access token is, whichever refresh it came from', async () => {
    const account = await app.register();
    const login = (await app.logIn(account)).body;
    const refreshed = (await app.refresh(login.refreshToken)).body;
    const me = { id: account.id, email: account.email, roles: ['user'], sessionId: login.sessionId };
    for (const { accessToken } of [login, refreshed]) {
      const { status, headers, body } = await app.get('/auth/me', accessToken);
      expect({ status, body }).toEqual({ status: 200, body: me });
      expect(headers.get('Cache-Control')).toBe('no-store');
    }
    expect(await app.get('/auth/me', login.refreshToken)).toMatchObject({ status: 401 });
    expect(await app.get('/auth/me')).toMatchObject({ status: 401 });
  });

  it('signs access tokens with every claim that the guard asks for, and nothing about the person', async () => {
    const account = await app.register();
    const login = (await app.logIn(account)).body;
    await app.query(`UPDATE users SET roles = '{user,editor}' WHERE id = $1`, [account.id]);
    const { accessToken } = (await app.refresh(login.refreshToken)).body;

    expect(decodeProtectedHeader(accessToken)).toEqual({ alg: 'HS256', typ: 'at+jwt', kid: 'test' });
    const claims = decodeJwt(accessToken);
    expect(claims).toEqual({
      sub: account.id,
      sid: login.sessionId,
      jti: expect.any(String),
      auth_time: expect.any(Number),
      amr: ['pwd'],
      iss: 'http://127.0.0.1:0',
      aud: 'ratchet',
      client_id: 'app',
      iat: expect.any(Number),
      exp: claims.iat! + 900,
      gv: 1,
      uv: 1,
      // The user's roles of now, not those of the login.
      roles: ['user', 'editor'],
    });
    expect(decodeJwt(login.accessToken)).toMatchObject({ roles: ['user'] });
    expect(decodeJwt(login.accessToken).jti).not.toBe(claims.jti);
  });

  it('is one row that a rotation changes in place: the device stays as it was at login, the last client is apart', async () => {
    const account = await app.register();
    const { body } = await app.post(
      '/auth/login',
      { email: account.email, password: account.password, deviceId: 'laptop', deviceName: 'The laptop' },
      { 'User-Agent': 'Browser/1', 'X-Forwarded-For': '192.0.2.1' },
    );
    const opened = await rowOf(app, body.sessionId);
    expect(opened).toMatchObject({
      user_id: account.id,
      generation: 0,
      previous_token_hash: null,
      rotated_at: null,
      delivery: 'body',
      device_id: 'laptop',
      device_name: 'The laptop',
      user_agent: 'Browser/1',
      ip_address: '192.0.2.1',
      last_ip_address: null,
    });

    const answer = await app.post(
      '/auth/refresh',
      { refreshToken: body.refreshToken, deviceId: 'server', deviceName: 'The laptop' },
      { 'User-Agent': 'SSR/2', 'X-Forwarded-For': '2001:db8::2' },
    );
    expect(answer.status).toBe(200);
    expect(await app.query('SELECT count(*)::int AS rows FROM sessions WHERE user_id = $1', [account.id])).toEqual([
      { rows: 1 },
    ]);
    const rotated = await rowOf(app, body.sessionId);
    expect(rotated).toMatchObject({
      generation: 1,
      previous_token_hash: opened.token_hash,
      device_id: 'laptop',
      device_name: 'The laptop',
      user_agent: 'Browser/1',
      ip_address: '192.0.2.1',
      last_user_agent: 'SSR/2',
      last_ip_address: '2001:db8::2',
      created_at: opened.created_at,
      absolute_expires_at: opened.absolute_expires_at,
    });
    const [ending] = await app.query(
      `SELECT details FROM auth_events WHERE session_id = $1 AND type = 'auth.token_refresh.succeeded.v1'`,
      [body.sessionId],
    );
    expect(ending.details).toEqual({ changedDevice: { deviceId: 'server' } });
  });

  it('records a rotation and a replay as an attempt and its ending, under the id of the user and the session', async () => {
    const { sessionId, account, current } = await openChain(app);
    const rotation = await present(app, current);
    expectTrail(rotation.trail, { reason: null });
    expect(rotation.trail.at(-1).details).toEqual({});
    const replay = await present(app, current);
    expectTrail(replay.trail, { reason: null, details: { replayed: true, door: 'window' } });
    for (const { trail } of [rotation, replay]) {
      expect(trail.map(({ generation }) => generation)).toEqual(['0', '1']);
      for (const event of trail) expect(event).toMatchObject({ session_id: sessionId, user_id: account.id });
    }
  });

  it('lives a week from its last refresh, and never past the day that the login set', async () => {
    const { sessionId, tokens } = await openChain(app);
    let [token] = tokens;
    for (const day of [6, 12, 18, 24]) {
      await age(app, sessionId, 6 * DAY);
      const { status, body } = await app.refresh(token);
      expect(status).toBe(200);
      const left = (30 - day) * DAY;
      expect(body.refreshExpiresIn).toBeLessThanOrEqual(Math.min(7 * DAY, left));
      expect(body.refreshExpiresIn).toBeGreaterThan(Math.min(7 * DAY, left) - 60);
      token = body.refreshToken;
    }
    await age(app, sessionId, 6 * DAY);
    expect(await app.refresh(token)).toMatchObject({ status: 401, body: { code: 'token_expired' } });
  });

  it('keeps nothing that a token could be made of: only digests of the secret and of the retry key', async () => {
    const retryKey = newRetryKey();
    const { sessionId, tokens } = await openChain(app, 2, { retryKey });
    const written = JSON.stringify([
      await app.query('SELECT sessions::text FROM sessions WHERE id = $1', [sessionId]),
      await app.query('SELECT auth_events::text FROM auth_events WHERE session_id = $1', [sessionId]),
    ]);
    const row = await rowOf(app, sessionId);
    expect(row.keyed).toBe(true);
    for (const secret of [...tokens, retryKey]) {
      expect(written).not.toContain(secret);
      expect(written).not.toContain(Buffer.from(secret).toString('hex'));
    }
    for (const token of tokens) {
      const inside = Buffer.from(token.slice(4), 'base64url').subarray(21, 53);
      expect(written).not.toContain(inside.toString('hex'));
    }
  });
});
