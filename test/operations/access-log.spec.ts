import { randomBytes } from 'node:crypto';
import { ADAPTERS } from '../support/adapters';
import { startTestApplication, type TestApplication } from '../support/app/test-application';

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

describe.each(ADAPTERS)('the log over %s', (adapter) => {
  let application: TestApplication;
  beforeAll(async () => {
    application = await startTestApplication({ adapter, env: { LOG_LEVEL: 'trace' } });
  });
  afterAll(() => application.close());

  const lines = (context: string) => application.log.filter((line) => line['context'] === context);
  /** The line is written when the connection has taken the answer, which the client may have read by then. */
  const lineOf = async (requestId: string) => {
    for (;;) {
      const found = lines('http').filter((line) => line['requestId'] === requestId);
      if (found.length > 0) return found;
      await new Promise(setImmediate);
    }
  };

  it('has one line for a request: method, route, status, duration and id, and no path or query', async () => {
    const { sessionId, accessToken } = (await application.logIn()).body;
    await application.request('GET', `/auth/me?secret=${sessionId}`, {
      bearer: accessToken,
      headers: { 'X-Request-Id': 'a-sane-id.1' },
    });
    expect(await lineOf('a-sane-id.1')).toEqual([
      {
        level: 'info',
        time: expect.any(String),
        context: 'http',
        requestId: 'a-sane-id.1',
        method: 'GET',
        route: '/auth/me',
        status: 200,
        durationMs: expect.any(Number),
        msg: 'request',
      },
    ]);
    expect(JSON.stringify(lines('http'))).not.toContain(sessionId);
  });

  it('has a line for requests that no route or parser takes', async () => {
    await application.request('GET', '/nowhere/rt1_secret', { headers: { 'X-Request-Id': 'unrouted-1' } });
    expect(await lineOf('unrouted-1')).toMatchObject([{ status: 404, route: null }]);
    await application.request('POST', '/auth/login', { body: '{"bad', headers: { 'X-Request-Id': 'unparsed-1' } });
    expect(await lineOf('unparsed-1')).toMatchObject([{ status: 400 }]);
  });

  it.each(['short', 'x'.repeat(65), 'forged","level":"fatal', 'two words', 'für'])(
    'takes no request id like %j from outside, and gives its own',
    async (id) => {
      const before = lines('http').length;
      await application.request('GET', '/health/live', {
        headers: { 'X-Request-Id': encodeURI(id) === id ? id : id.replace('ü', '\u00fc') },
      });
      while (lines('http').length === before) await new Promise(setImmediate);
      expect(lines('http').at(-1)?.['requestId']).toMatch(UUID);
    },
  );

  it('names the request in the lines of the audit, and the answer names none', async () => {
    const { refreshToken } = (await application.logIn()).body;
    const { headers, body } = await application.post(
      '/auth/refresh',
      { refreshToken },
      { 'X-Request-Id': 'audited-1' },
    );
    expect(lines('audit').filter((line) => line['requestId'] === 'audited-1')).toMatchObject([
      { type: 'auth.token_refresh.attempted.v1' },
      { type: 'auth.token_refresh.succeeded.v1' },
    ]);
    expect(JSON.stringify([...headers, body])).not.toContain('audited-1');
  });

  it('shows no secret of a login, a refresh, a log-out and their failures, at any level', async () => {
    const account = await application.register({ password: 'a passphrase that no log may show' });
    const retryKey = randomBytes(24).toString('base64url');
    const wrong = 'a wrong passphrase that no log may show';
    await application.logIn({ ...account, password: wrong });
    const first = (await application.logIn(account)).body;
    const second = (await application.refresh(first.refreshToken, retryKey)).body;
    const third = (await application.refresh(second.refreshToken)).body;
    await application.refresh(first.refreshToken); // reuse
    await application.post('/auth/refresh', `{"refreshToken":"${third.refreshToken}"`); // bad JSON
    await application.request('GET', '/auth/me', {
      bearer: third.accessToken,
      headers: { Cookie: 'refresh=baked-secret' },
    });
    await application.query('ALTER TABLE sessions RENAME TO sessions_gone');
    const fault = await application.refresh(third.refreshToken, retryKey);
    await application.query('ALTER TABLE sessions_gone RENAME TO sessions');
    await application.post('/auth/logout', { refreshToken: third.refreshToken });

    expect(fault.status).toBe(503);
    const log = JSON.stringify(application.log);
    expect(log).toContain('sessions');
    const [row] = await application.query(
      `SELECT encode(token_hash, 'hex') AS digest, password_hash FROM sessions JOIN users ON users.id::text = user_id WHERE sessions.id = $1`,
      [first.sessionId],
    );
    const tokens = [first, second, third].flatMap(({ accessToken, refreshToken }) => [accessToken, refreshToken]);
    for (const secret of [
      ...tokens,
      account.password,
      wrong,
      retryKey,
      'baked-secret',
      row.digest,
      row.password_hash,
    ]) {
      expect(log.includes(secret)).toBe(false);
    }
  });
});

it('writes nothing of a request at a level that would not show it', async () => {
  const application = await startTestApplication({ env: { LOG_LEVEL: 'warn' } });
  try {
    await application.logIn();
    expect(application.log).toEqual([]);
  } finally {
    await application.close();
  }
});
