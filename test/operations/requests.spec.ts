import { randomBytes } from 'node:crypto';
import { EventEmitter2 } from '@nestjs/event-emitter';
import { AuthTokenRefreshSucceeded } from '../../src';
import { Attempt } from '../../src/auth/application/attempt';
import { loggedRequests } from '../../src/logging';
import { traceIdOfRequest } from '../../src/support/trace-context';
import { ADAPTERS } from '../support/adapters';
import { ADMIN, startTestApplication, type TestApplication } from '../support/app/test-application';
import { withOtherEnd } from '../support/changed-texts';
import { until } from '../support/until';

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

  it('names the request in the lines of the audit, and the body of the answer does not', async () => {
    const { refreshToken } = (await application.logIn()).body;
    const { headers, body } = await application.post(
      '/auth/refresh',
      { refreshToken },
      { 'X-Request-Id': 'audited-1' },
    );
    expect(lines('audit').filter((line) => line['requestId'] === 'audited-1')).toMatchObject([
      { type: 'auth.token_refresh.attempted.v1', level: 'debug' },
      { type: 'auth.token_refresh.succeeded.v1', level: 'debug' },
    ]);
    expect(headers.get('X-Request-Id')).toBe('audited-1');
    expect(JSON.stringify(body)).not.toContain('audited-1');
  });

  it('returns no id that the request did not bring', async () => {
    const { headers } = await application.get('/health/live');
    expect(headers.get('X-Request-Id')).toBeNull();
    expect(headers.get('traceparent')).toBeNull();
  });

  // W3C Trace Context, section 3.2.
  it('takes the trace of traceparent for the id, in the answer, every line and the trail', async () => {
    const { refreshToken, sessionId } = (await application.logIn()).body;
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const { status, headers } = await application.post(
      '/auth/refresh',
      { refreshToken },
      { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, 'X-Request-Id': 'of-a-gateway' },
    );
    expect([status, headers.get('X-Request-Id')]).toEqual([200, traceId]);
    await lineOf(traceId);
    const own = application.log.filter(({ requestId }) => requestId === traceId);
    expect(own.map(({ msg, type }) => `${String(msg)} ${String(type)}`).sort()).toEqual([
      'event auth.token_refresh.attempted.v1',
      'event auth.token_refresh.succeeded.v1',
      'request auth.token_refresh.succeeded.v1',
    ]);
    const { accessToken } = (await application.logIn(ADMIN)).body;
    const trail = await application.get(`/admin/audit-events?sessionId=${sessionId}`, accessToken);
    const traced = trail.body.items.filter(({ type }: { type: string }) => type.startsWith('auth.token_refresh.'));
    expect(traced).toMatchObject([{ details: { traceId } }, { details: { traceId } }]);
    const denied = await application.request('GET', '/admin/security', {
      bearer: (await application.logIn()).body.accessToken,
      headers: { traceparent: `00-${traceId}-00f067aa0ba902b8-00` },
    });
    expect(denied.status).toBe(403);
    const [denial] = (await application.get('/admin/audit-events?type=auth.access.denied.v1', accessToken)).body.items;
    expect(denial.details.traceId).toBe(traceId);
  });

  it('answers two refusals of one trace with the same bytes', async () => {
    const headers = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
    const answers = [];
    for (const refreshToken of ['junk', withOtherEnd((await application.logIn()).body.refreshToken)]) {
      const answer = await application.post('/auth/refresh', { refreshToken }, headers);
      answers.push({ ...answer, headers: [...answer.headers].filter(([name]) => name !== 'date') });
    }
    expect(answers[0]).toMatchObject({ status: 401 });
    expect(answers[1]).toEqual(answers[0]);
  });

  // Seen red with an event that is stored after the line was written.
  it('has one line for a refresh at info: the request, and how it ended', async () => {
    const quiet = await startTestApplication({ adapter, env: { LOG_LEVEL: 'info' } });
    try {
      const { refreshToken, sessionId } = (await quiet.logIn()).body;
      const linesOf = async (id: string, token: string) => {
        await quiet.post('/auth/refresh', { refreshToken: token }, { 'X-Request-Id': id });
        const own = () => quiet.log.filter((line) => line['requestId'] === id);
        await until(() => own().some(({ msg }) => msg === 'request'));
        return own();
      };
      const event = { eventId: expect.any(String), attemptId: expect.any(String), occurredAt: expect.any(String) };
      const granted = { type: 'auth.token_refresh.succeeded.v1', outcome: 'succeeded', replayed: false };
      const request = { level: 'info', msg: 'request', method: 'POST', route: '/auth/refresh' };
      expect(await linesOf('granted-1', refreshToken)).toMatchObject([
        { ...request, status: 200, ...event, ...granted, sessionId, generation: 1, userAgent: 'node' },
      ]);
      await quiet.post('/auth/logout', { refreshToken });
      expect(await linesOf('refused-1', refreshToken)).toMatchObject([
        { ...request, status: 401, ...event, type: 'auth.token_refresh.failed.v1', reason: 'token_revoked', sessionId },
      ]);
      // Junk is answered before its record is stored: its ending is in the same line or, if it comes later, in its own.
      await linesOf('of-junk-1', 'junk');
      await until(() =>
        quiet.log.some(({ reason, requestId }) => reason === 'token_invalid' && requestId === 'of-junk-1'),
      );
    } finally {
      await quiet.close();
    }
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

// Seen red with every request run in the storage: at warn a refresh then cost the server 2.5 times as much.
it.each([
  ['info', 'in every line', true],
  ['warn', 'in no AsyncLocalStorage, which every promise of the process would pay for', false],
])('at %s keeps the request %s', async (level, _, isKept) => {
  const application = await startTestApplication({ env: { LOG_LEVEL: level } });
  try {
    const kept: boolean[] = [];
    application.app
      .get(EventEmitter2)
      .on(AuthTokenRefreshSucceeded.type, () => kept.push(loggedRequests.getStore() !== undefined));
    const { refreshToken } = (await application.logIn()).body;
    await application.refresh(refreshToken);
    expect(kept).toEqual([isKept]);
  } finally {
    await application.close();
  }
});

it('names a request that fails in a line at warn', async () => {
  const application = await startTestApplication({ env: { LOG_LEVEL: 'warn' } });
  try {
    const { refreshToken } = (await application.logIn()).body;
    await application.query('ALTER TABLE sessions RENAME TO sessions_gone');
    await application.post('/auth/refresh', { refreshToken }, { 'X-Request-Id': 'of-a-fault' });
    await application.query('ALTER TABLE sessions_gone RENAME TO sessions');
    await until(() => application.log.some(({ requestId }) => requestId === 'of-a-fault'));
  } finally {
    await application.close();
  }
});

describe('the trace of a request', () => {
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
  const parent = '00f067aa0ba902b7';

  it.each([
    ['version 00', `00-${trace}-${parent}-01`],
    ['flags of which only one is known', `00-${trace}-${parent}-ff`],
    ['a later version', `01-${trace}-${parent}-01`],
    ['a later version with more fields', `cc-${trace}-${parent}-01-what-else`],
  ])('is read from %s', (_, traceparent) => {
    expect(traceIdOfRequest({ traceparent })).toBe(trace);
  });

  it.each([
    ['none', undefined],
    ['an empty one', ''],
    ['version 00 with more fields', `00-${trace}-${parent}-01-more`],
    ['version ff', `ff-${trace}-${parent}-01`],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${parent}-01`],
    ['a parent of zeros', `00-${trace}-${'0'.repeat(16)}-01`],
    ['upper case', `00-${trace.toUpperCase()}-${parent}-01`],
    ['a trace that is too long', `00-${trace}0-${parent}-01`],
    ['a line break', `00-${trace}-${parent}-01\n`],
    ['what Node makes of two headers', `00-${trace}-${parent}-01, 00-${trace}-${parent}-01`],
    ['a list', [`00-${trace}-${parent}-01`]],
  ])('is not read from %s', (_, traceparent) => {
    expect(traceIdOfRequest({ traceparent })).toBeUndefined();
  });

  it('is kept by an attempt only if it is one, whatever a caller gives', () => {
    const contextOf = (traceId: string) => new Attempt({ traceId }, new Date()).ending({});
    expect(contextOf(trace)).toHaveProperty('traceId', trace);
    for (const other of ['', 'x'.repeat(32), `${trace}\n`, '0'.repeat(32)])
      expect(contextOf(other)).not.toHaveProperty('traceId');
  });
});
