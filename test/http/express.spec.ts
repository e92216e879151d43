import { randomUUID } from 'node:crypto';
import {
  ADMIN,
  type Answer,
  type Json,
  startTestApplication,
  type TestApplication,
} from '../support/app/test-application';
import { answerInBytes } from './support/answer-in-bytes';
import { asAdmin, rotateUser, statusOfMe } from './support/administration';
import { REFUSALS } from './support/refusals';
import { openChain, rowOf, TRUSTING } from './support/sessions';

const ORIGIN = 'https://app.example';
const STRANGER = 'https://evil.example';

// The specs beside this one run on Fastify. What depends on the adapter is tested on both in `unit` and `bad-input`; this
// one shows that the whole application works on Express.
describe('The application over Express', () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({
      adapter: 'express',
      env: {
        ...TRUSTING,
        PUBLIC_ORIGIN: ORIGIN,
        CORS_ORIGINS: ORIGIN,
        EXPOSE_REFUSAL_REASON: 'false',
        LIMIT_LOGIN_PER_ACCOUNT: '3/15m',
        SWAGGER_ENABLED: 'true',
      },
    });
  });
  afterAll(() => app.close());

  const open = async (account?: Parameters<TestApplication['logIn']>[0]): Promise<Json> =>
    (await app.logIn(account)).body;

  it('logs in, refreshes, repeats a lost answer, and ends the session at a reuse', async () => {
    const login = await app.logIn();
    expect(login).toMatchObject({ status: 200, body: { tokenType: 'Bearer', generation: 0 } });
    expect(login.headers.get('Cache-Control')).toBe('no-store');
    const { sessionId, refreshToken } = login.body;

    const first = await app.refresh(refreshToken);
    expect(first).toMatchObject({ status: 200, body: { sessionId, generation: 1 } });
    const replay = await app.refresh(refreshToken);
    expect(replay).toMatchObject({ status: 200, body: { refreshToken: first.body.refreshToken } });
    const second = await app.refresh(first.body.refreshToken);
    expect(await statusOfMe(app, second.body.accessToken)).toBe(200);

    expect(await app.refresh(refreshToken)).toMatchObject({ status: 401, body: { recovery: 'reauthenticate' } });
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
    expect((await app.refresh(second.body.refreshToken)).status).toBe(401);
    expect(await statusOfMe(app, second.body.accessToken)).toBe(401);
  });

  it('asks an administrator for a recent proof, which the password gives (ASVS 7.2.4, 7.5.3)', async () => {
    const { sessionId, refreshToken } = await open(ADMIN);
    await app.query(`UPDATE sessions SET auth_time = now() - interval '1 hour' WHERE id = $1`, [sessionId]);
    const refreshed = (await app.refresh(refreshToken)).body;
    const change = (bearer: string) =>
      app.request('PATCH', '/admin/security', { bearer, body: { gracePeriodSeconds: 300 } });
    const refused = await change(refreshed.accessToken);
    expect(refused).toMatchObject({ status: 401, body: { code: 'reauthentication_required', recovery: 'step_up' } });
    expect(refused.headers.get('WWW-Authenticate')).toBe(
      'Bearer error="insufficient_user_authentication", max_age="900"',
    );
    const prove = (password: string) =>
      app.post('/auth/reauthenticate', { refreshToken: refreshed.refreshToken, password });
    expect(await prove('not the passphrase')).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
    const proved = await prove(ADMIN.password);
    expect(proved).toMatchObject({ status: 200, body: { sessionId, generation: 2 } });
    expect(await change(proved.body.accessToken)).toMatchObject({ status: 200 });
    expect(await prove(ADMIN.password)).toMatchObject({ status: 200, body: { generation: 2 } });
  });

  it('takes the address of a client from the proxy that it trusts', async () => {
    const { email, password } = await app.register();
    const login = await app.post('/auth/login', { email, password }, { 'X-Forwarded-For': '192.0.2.1' });
    expect(await rowOf(app, login.body.sessionId)).toMatchObject({ ip_address: '192.0.2.1' });
  });

  const registerTwice = async (): Promise<Answer> => {
    const { email, password } = await app.register();
    return app.post('/auth/register', { email, password });
  };
  const guessOften = async (): Promise<Answer> => {
    const guess = { email: (await app.register()).email, password: 'not the passphrase' };
    for (let time = 0; time < 3; time++) expect((await app.logIn(guess)).status).toBe(401);
    return app.logIn(guess);
  };
  const logOutUnrecorded = async (): Promise<Answer> => {
    const { refreshToken } = await open();
    await app.query('ALTER TABLE auth_events RENAME TO auth_events_away');
    return app
      .post('/auth/logout', { refreshToken })
      .finally(() => app.query('ALTER TABLE auth_events_away RENAME TO auth_events'));
  };

  const PROBLEMS: [name: string, status: number, problem: object, ask: () => Promise<Answer>][] = [
    [
      'a field that there is not',
      400,
      { code: 'invalid_request', errors: [{ path: 'admin', message: 'property admin should not exist' }] },
      () => app.post('/auth/refresh', { refreshToken: 'rt1_junk', admin: true }),
    ],
    ['no access token', 401, { code: 'unauthorized', recovery: 'reauthenticate' }, () => app.get('/auth/me')],
    [
      'a user among administrators',
      403,
      { code: 'insufficient_scope' },
      async () => app.get('/admin/security', (await open()).accessToken),
    ],
    ['a route that there is not', 404, { code: 'not_found' }, () => app.get('/nowhere')],
    ['an e-mail that is taken', 409, { code: 'email_taken' }, registerTwice],
    [
      'more than 16 KiB',
      413,
      { code: 'payload_too_large' },
      () => app.post('/auth/refresh', { refreshToken: 'x'.repeat(16 * 1024) }),
    ],
    [
      'a form',
      415,
      { code: 'unsupported_media_type' },
      () => app.post('/auth/login', 'email=a', { 'Content-Type': 'application/x-www-form-urlencoded' }),
    ],
    ['one guess too many', 429, { code: 'throttled', recovery: 'wait' }, guessOften],
    ['a log-out that cannot be recorded', 503, { code: 'unavailable', recovery: 'retry' }, logOutUnrecorded],
  ];
  const HEADERS: Readonly<Record<number, Record<string, RegExp>>> = {
    401: { 'WWW-Authenticate': /^Bearer$/ },
    403: { 'WWW-Authenticate': /^Bearer error="insufficient_scope"$/ },
    429: { 'Retry-After': /^(8\d\d|900)$/ },
    503: { 'Retry-After': /^1$/ },
  };

  it('records who was refused for want of a role, and at which route', async () => {
    const { accessToken, sessionId } = await open();
    expect((await app.get(`/admin/users/${sessionId}/sessions?one=1`, accessToken)).status).toBe(403);
    const [denied] = (await app.events({ sessionId })).filter(({ type }) => type === 'auth.access.denied.v1');
    expect(denied.details).toEqual({ requiredRoles: ['admin'], route: 'GET /admin/users/:id/sessions' });
  });

  it.each(PROBLEMS)('answers %s with %d and its problem', async (_name, status, problem, ask) => {
    const answer = await ask();
    expect(answer).toMatchObject({
      status,
      body: { type: 'about:blank', title: expect.any(String), status, ...problem },
    });
    expect(answer.headers.get('Content-Type')).toMatch(/^application\/problem\+json/);
    expect(answer.headers.get('Cache-Control')).toBe('no-store');
    for (const [name, value] of Object.entries(HEADERS[status] ?? {})) expect(answer.headers.get(name)).toMatch(value);
  });

  it('refuses a refresh with the same bytes for every reason, headers and all', async () => {
    // One way to each reason; the last of the list, which is for everyone, is not among them.
    const ways = new Map(REFUSALS.toReversed().map((refusal) => [refusal.reason, refusal]));
    const answers = new Map<string, string[]>();
    for (const { reason, arrange } of ways.values()) {
      const refreshToken = await arrange(app, await openChain(app, 2));
      const bytes = await answerInBytes(app, '/auth/refresh', { refreshToken });
      answers.set(bytes, [...(answers.get(bytes) ?? []), reason]);
    }
    expect([...answers.values()]).toEqual([[...ways.keys()]]);
    const [head = '', body = ''] = [...answers.keys()][0]!.split('\n\n');
    expect(head).toMatch(/^401 Unauthorized\n/);
    expect(head).toMatch(/^www-authenticate: Bearer$/im);
    expect(head).not.toMatch(/^(set-cookie|x-request-id|etag|x-powered-by):/im);
    expect(JSON.parse(body)).toMatchObject({ code: 'refresh_refused', recovery: 'reauthenticate' });
  });

  it('keeps the refresh token in a cookie, for pages of its own origin alone, until the log-out', async () => {
    const { email, password } = await app.register();
    const own = { Origin: ORIGIN };
    const logIn = (headers: Record<string, string>) =>
      app.post('/auth/login', { email, password, delivery: 'cookie' }, headers);
    const tokenIn = ({ headers }: Answer) => /^__Host-refresh=(rt1_[\w-]{92});/.exec(headers.getSetCookie()[0]!)![1]!;
    const send = (path: string, token: string, headers: Record<string, string>) =>
      app.request('POST', path, { headers: { ...headers, Cookie: `theme=dark; __Host-refresh=${token}` } });

    expect((await logIn({ Origin: STRANGER })).status).toBe(403);
    const login = await logIn(own);
    expect(login.body).not.toHaveProperty('refreshToken');
    expect(login.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-refresh=rt1_[\w-]{92}; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Strict; Secure$/),
    ]);
    const refused = await send('/auth/refresh', tokenIn(login), { Origin: STRANGER });
    expect(refused).toMatchObject({ status: 403, body: { code: 'origin_refused' } });
    expect(refused.headers.getSetCookie()).toEqual([]);
    const refreshed = await send('/auth/refresh', tokenIn(login), own);
    expect(refreshed).toMatchObject({ status: 200, body: { generation: 1 } });
    expect(refreshed.headers.get('Access-Control-Allow-Origin')).toBe(ORIGIN);
    const loggedOut = await send('/auth/logout', tokenIn(refreshed), own);
    expect(loggedOut.status).toBe(204);
    expect(loggedOut.headers.getSetCookie()).toEqual([expect.stringMatching(/^__Host-refresh=; Max-Age=0; /)]);
    expect((await send('/auth/refresh', tokenIn(refreshed), own)).status).toBe(401);
  });

  it('logs out of one session, and of all', async () => {
    const account = await app.register();
    const [first, second, third] = [await open(account), await open(account), await open(account)];
    expect(await app.post('/auth/logout', { refreshToken: first.refreshToken })).toMatchObject({
      status: 204,
      body: undefined,
    });
    expect((await app.refresh(first.refreshToken)).status).toBe(401);
    expect(await app.request('POST', '/auth/logout-all', { bearer: second.accessToken })).toMatchObject({
      status: 200,
      body: { revokedSessions: 2 },
    });
    expect((await app.refresh(third.refreshToken)).status).toBe(401);
  });

  it('lists the sessions of a user, ends one of them, and ends all others', async () => {
    const account = await app.register();
    const [first, second, third] = [await open(account), await open(account), await open(account)];
    const ids = async () => (await app.get('/auth/sessions', third.accessToken)).body.items.map(({ id }: Json) => id);
    const end = (path: string) => app.request('DELETE', `/auth/sessions${path}`, { bearer: third.accessToken });
    expect(await ids()).toEqual([third.sessionId, second.sessionId, first.sessionId]);
    expect((await end(`/${second.sessionId}`)).status).toBe(204);
    expect(await ids()).toEqual([third.sessionId, first.sessionId]);
    expect((await end(`/${randomUUID()}`)).status).toBe(404);
    expect(await end('?except=current')).toMatchObject({ status: 200, body: { revokedSessions: 1 } });
    expect(await ids()).toEqual([third.sessionId]);
    expect((await app.refresh(first.refreshToken)).status).toBe(401);
  });

  it('lets an administrator rotate the tokens of a user, and look into the audit trail', async () => {
    const account = await app.register();
    const { accessToken } = await open(account);
    expect(await rotateUser(app, account.id)).toMatchObject({ previousVersion: 1, newVersion: 2 });
    expect(await statusOfMe(app, accessToken)).toBe(401);
    expect(await asAdmin(app, 'GET', '/admin/security')).toMatchObject({ status: 200, body: { mode: 'immediate' } });
    const type = 'auth.user_rotation.succeeded.v1';
    expect(await asAdmin(app, 'GET', `/admin/audit-events?userId=${account.id}&type=${type}`)).toMatchObject({
      status: 200,
      body: { items: [{ type, userId: account.id }], nextCursor: null },
    });
  });

  it('documents itself', async () => {
    expect(await app.get('/docs-json')).toMatchObject({ status: 200, body: { paths: { '/auth/refresh': {} } } });
    expect(await app.get('/docs')).toMatchObject({ status: 200, body: expect.stringContaining('swagger-ui') });
  });

  it('is live, and ready only with every migration', async () => {
    const rename = (from: string, to: string) =>
      app.query('UPDATE migrations SET name = replace(name, $1, $2) WHERE id = (SELECT max(id) FROM migrations)', [
        from,
        to,
      ]);
    expect(await app.get('/health/live')).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect(await app.get('/health/ready')).toMatchObject({ status: 200, body: { status: 'ok' } });
    const [{ name }] = await app.query('SELECT name FROM migrations ORDER BY id DESC LIMIT 1');
    await rename(name, 'Unknown1');
    const answer = await app.get('/health/ready').finally(() => rename('Unknown1', name));
    expect(answer).toMatchObject({ status: 503, body: { error: { migrations: { status: 'down' } } } });
    expect(answer.headers.get('Retry-After')).toBe('1');
  });

  it('counts what it does', async () => {
    await app.refresh((await open()).refreshToken);
    const { status, headers, body } = await app.get('/metrics');
    expect(status).toBe(200);
    expect(headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(body).toMatch(/^ratchet_refresh_total\{outcome="rotated"\} [1-9]/m);
  });
});
