import { randomUUID } from 'node:crypto';
import { UserDirectory } from '../../src';
import { ADAPTERS } from '../support/adapters';
import { ADMIN, type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { asAdmin } from './support/administration';
import { openChain } from './support/sessions';

describe.each(ADAPTERS)('What an administrator reads over %s', (adapter) => {
  let app: TestApplication;
  let admin: string;
  beforeAll(async () => {
    app = await startTestApplication({ adapter });
    admin = (await app.logIn(ADMIN)).body.accessToken;
  });
  afterAll(() => app.close());

  const get = (path: string) => app.get(path, admin);

  it.each([
    '/admin/overview',
    '/admin/settings',
    '/admin/doctor',
    '/admin/users',
    '/admin/security/rotations/preview',
    '/admin/audit-events/export',
    '/admin/audit-events/histogram',
  ])('%s is for administrators, and is not to be stored', async (path) => {
    const { accessToken } = (await app.logIn()).body;
    expect((await app.get(path)).status).toBe(401);
    expect((await app.get(path, accessToken)).status).toBe(403);
    const answer = await get(path);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('Cache-Control')).toBe('no-store');
  });

  describe('the overview', () => {
    it('counts what this process has done, and grows with it', async () => {
      const before = (await get('/admin/overview')).body;
      const { tokens } = await openChain(app, 2);
      await app.refresh(tokens[0]);
      const { body } = await get('/admin/overview');

      expect(body.instance).toBe(before.instance);
      expect(body.startedAt).toBe(before.startedAt);
      expect(body.at > before.at).toBe(true);
      expect(body.refreshes.rotated - (before.refreshes.rotated ?? 0)).toBe(2);
      expect(body.logins.succeeded - (before.logins.succeeded ?? 0)).toBe(1);
      const reuse = 'auth.token.reuse_detected.v1';
      expect(body.theftAlerts[reuse] - before.theftAlerts[reuse]).toBe(1);
      expect(body.stalenessSeconds).toBeGreaterThanOrEqual(0);
      expect(body).toMatchObject({ hashQueue: 0, auditQueue: 0, pool: { waiting: 0 } });
      expect(body.activeSessions).toBeGreaterThan(0);
    });
  });

  it('the settings name keys, algorithms and limits, and no secret', async () => {
    const { body } = await get('/admin/settings');
    expect(body).toMatchObject({
      accessTokenKeys: [{ kid: 'test', algorithm: 'HS256', signs: true, ageDays: null }],
      refreshTokenKeys: [{ id: 0, issues: true }],
      adminReauthenticationSeconds: 900,
      keyLifeDays: 730,
    });
    expect(body.limits).toContainEqual({ name: 'loginPerIp', points: null, seconds: null });
    expect(Object.keys(body.accessTokenKeys[0])).toEqual(['kid', 'algorithm', 'signs', 'ageDays']);
    expect(Object.keys(body.refreshTokenKeys[0])).toEqual(['id', 'issues']);
  });

  it('a preview counts the sessions that a rotation would affect, and changes nothing', async () => {
    const before = (await get('/admin/security/rotations/preview')).body;
    await app.logIn();
    expect((await get('/admin/security/rotations/preview')).body).toEqual({
      ...before,
      sessionsAffected: Number(before.sessionsAffected) + 1,
    });
    expect(before.newVersion).toBe(Number(before.previousVersion) + 1);
  });

  describe('users', () => {
    it('are found by a part of the e-mail and by id, with a word on what is left out', async () => {
      const part = randomUUID().slice(0, 8);
      const [ann, bob] = [
        await app.register({ email: `ann-${part}@example.com` }),
        await app.register({ email: `bob-${part}@example.com` }),
      ];
      const find = async (query: string) => (await get(`/admin/users?${query}`)).body;
      const of = ({ id, email }: { id: string; email: string }) => ({ id, email, roles: ['user'], isActive: true });
      expect(await find(`query=${part.toUpperCase()}`)).toEqual({ items: [of(ann), of(bob)], hasMore: false });
      expect(await find(`query=${part}&limit=1`)).toEqual({ items: [of(ann)], hasMore: true });
      expect(await find(`query=${bob.id}`)).toEqual({ items: [of(bob)], hasMore: false });
      expect(await find('query=%25')).toEqual({ items: [], hasMore: false });
      expect((await find('limit=2')).items).toHaveLength(2);
    });

    it.each([
      ['query', `query=${'x'.repeat(321)}`],
      ['query', 'query=%00'],
      ['query', 'query=%E2%80%AE'],
      ['query', 'query=a&query=b'],
      ['limit', 'limit=0'],
      ['limit', 'limit=101'],
      ['limit', 'limit=ten'],
      ['page', 'page=2'],
    ])('are not found with a bad %s: 400 (%s)', async (path, query) => {
      const { status, body } = await get(`/admin/users?${query}`);
      expect(status).toBe(400);
      expect(body.errors.map((error: Json) => error.path)).toContain(path);
    });

    it('whose directory offers no search are 404', async () => {
      const directory = app.app.get(UserDirectory);
      Object.defineProperty(directory, 'search', { value: undefined, configurable: true });
      try {
        expect((await get('/admin/users')).status).toBe(404);
      } finally {
        Reflect.deleteProperty(directory, 'search');
      }
    });
  });

  describe('an export', () => {
    const sessionWithEvents = async (refreshes: number) => (await openChain(app, refreshes)).sessionId;

    // Seen red with one page.
    it('has every event that the search pages through, one JSON object a line', async () => {
      const sessionId = await sessionWithEvents(120);
      const found: Json[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const { body } = await get(
          `/admin/audit-events?limit=200&sessionId=${sessionId}${cursor && `&cursor=${cursor}`}`,
        );
        found.push(...body.items);
        cursor = body.nextCursor;
      }
      expect(found.length).toBeGreaterThan(200);

      const { headers, body } = await get(`/admin/audit-events/export?sessionId=${sessionId}`);

      expect(headers.get('Content-Type')).toBe('application/x-ndjson; charset=utf-8');
      expect(headers.get('Content-Disposition')).toBe('attachment; filename="audit-events.jsonl"');
      const text = typeof body === 'string' ? body : '';
      expect(
        text
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line)),
      ).toEqual(found);
    });

    // Seen red with a cell that begins with "=".
    it('as CSV quotes what needs quotes, and no cell begins like a formula', async () => {
      const agent = '=HYPERLINK("https://evil.example","x")';
      const { email, password } = await app.register();
      const login = await app.post('/auth/login', { email, password }, { 'User-Agent': agent });
      const { headers, body } = await get(`/admin/audit-events/export?format=csv&sessionId=${login.body.sessionId}`);
      expect(headers.get('Content-Type')).toBe('text/csv; charset=utf-8');
      const [head, ...lines] = (body as string).split('\r\n');
      expect(head).toBe(
        'id,type,occurredAt,attemptId,userId,sessionId,generation,ipAddress,userAgent,outcome,reason,details',
      );
      expect(lines).toHaveLength(4);
      expect(lines[0]).toContain(`,"'=HYPERLINK(""https://evil.example"",""x"")",`);
      expect(lines.at(-1)).toBe('');
    });

    it('of nothing is empty', async () => {
      expect(await get(`/admin/audit-events/export?sessionId=${randomUUID()}`)).toMatchObject({
        status: 200,
        body: undefined,
      });
    });

    it.each([
      ['format', 'format=xml'],
      ['cursor', 'cursor=x'],
      ['limit', 'limit=1'],
      ['type', 'type=auth.unknown.v1'],
    ])('with a bad %s is 400', async (path, query) => {
      const { status, body } = await get(`/admin/audit-events/export?${query}`);
      expect(status).toBe(400);
      expect(body.errors.map((error: Json) => error.path)).toContain(path);
    });

    it('is recorded as a reading', async () => {
      const sessionId = await sessionWithEvents(0);
      await get(`/admin/audit-events/export?sessionId=${sessionId}`);
      const { items } = (await get('/admin/audit-events?type=auth.audit.read.v1&limit=10')).body;
      expect(items.map(({ details }: Json) => details)).toContainEqual({ filter: { sessionId } });
    });
  });

  describe('a histogram', () => {
    const histogram = async (query = '') => (await get(`/admin/audit-events/histogram${query}`)).body;
    const ofType = ({ types }: Json, type: string) => types.find((one: Json) => one.type === type);
    const FAILED = 'auth.login.failed.v1';
    /** An event of an hour in which nothing else is. */
    const failedAt = (at: string, count: number) =>
      app.query(
        `INSERT INTO auth_events (id, type, occurred_at, user_agent, outcome)
         SELECT gen_random_uuid(), $1, $2::timestamptz, 'agent', 'failed' FROM generate_series(1, $3)`,
        [FAILED, at, count],
      );

    it('counts by type and hour until now, without what a granted refresh leaves', async () => {
      const before = await histogram();
      const account = await app.register();
      await app.logIn({ ...account, password: 'not the passphrase' });
      await openChain(app, 3);
      const after = await histogram();
      const last = (body: Json, type: string) => ofType(body, type)?.counts.at(-1) ?? 0;
      expect(last(after, FAILED) - last(before, FAILED)).toBe(1);
      expect(last(after, 'auth.session.created.v1') - last(before, 'auth.session.created.v1')).toBe(1);
      expect(ofType(after, FAILED)).toMatchObject({ outcome: 'failed', isWhole: true });
      expect(ofType(after, FAILED).counts).toHaveLength(24);
      expect(Date.parse(after.to) - Date.parse(after.from)).toBe(24 * 3_600_000);
      expect(after.types.map(({ type }: Json) => type)).not.toContain('auth.token_refresh.succeeded.v1');
      expect(after.types.map(({ type }: Json) => type)).not.toContain('auth.token_refresh.attempted.v1');
    });

    it('is of any time, and says where there were too many to count', async () => {
      await failedAt('2020-05-01T10:30:00Z', 2);
      await failedAt('2020-05-01T12:00:00Z', 10_000);
      expect(await histogram('?hours=2&to=2020-05-01T12:00:00Z')).toEqual({
        from: '2020-05-01T10:00:00.000Z',
        to: '2020-05-01T12:00:00.000Z',
        types: [{ type: FAILED, outcome: 'failed', counts: [2, 0], isWhole: true }],
      });
      expect((await histogram('?hours=3&to=2020-05-01T13:00:00Z')).types).toEqual([
        { type: FAILED, outcome: 'failed', counts: [0, 0, 10_000], isWhole: false },
      ]);
    });

    it.each([
      ['hours', 'hours=0'],
      ['hours', 'hours=169'],
      ['to', 'to=yesterday'],
      ['from', 'from=2020-01-01'],
    ])('with a bad %s is 400 (%s)', async (path, query) => {
      const { status, body } = await get(`/admin/audit-events/histogram?${query}`);
      expect(status).toBe(400);
      expect(body.errors.map((error: Json) => error.path)).toContain(path);
    });
  });

  describe('one session of any user', () => {
    it('is ended, with the administrator in the record', async () => {
      const { sessionId, accessToken } = (await app.logIn()).body;
      expect((await asAdmin(app, 'DELETE', `/admin/sessions/${sessionId}`)).status).toBe(204);
      expect((await app.get('/auth/me', accessToken)).status).toBe(401);
      const [end] = (await app.events({ sessionId })).filter(({ type }) => type === 'auth.session.revoked.v1');
      const [me] = await app.query('SELECT id FROM users WHERE email = $1', [ADMIN.email]);
      expect(end).toMatchObject({ reason: 'admin_action', details: { actorId: me.id } });
    });

    it('is 404 if there is none, 400 for what is no id, and 403 for others', async () => {
      expect((await asAdmin(app, 'DELETE', `/admin/sessions/${randomUUID()}`)).status).toBe(404);
      expect((await asAdmin(app, 'DELETE', '/admin/sessions/me')).status).toBe(400);
      const { sessionId, accessToken } = (await app.logIn()).body;
      const path = `/admin/sessions/${sessionId}`;
      expect((await app.request('DELETE', path, { bearer: accessToken })).status).toBe(403);
      expect((await app.get('/auth/me', accessToken)).status).toBe(200);
    });

    it('requires a recent proof', async () => {
      const { sessionId, refreshToken } = (await app.logIn(ADMIN)).body;
      await app.query(`UPDATE sessions SET auth_time = now() - interval '1 hour' WHERE id = $1`, [sessionId]);
      const stale = (await app.refresh(refreshToken)).body.accessToken;
      expect(await app.request('DELETE', `/admin/sessions/${sessionId}`, { bearer: stale })).toMatchObject({
        status: 401,
        body: { recovery: 'step_up' },
      });
    });
  });

  describe('the name of a device', () => {
    const rename = (session: Json, id: string, body: unknown) =>
      app.request('PATCH', `/auth/sessions/${id}`, { bearer: session.accessToken, body });
    const nameOf = async (session: Json) =>
      (await app.get('/auth/sessions', session.accessToken)).body.items[0].deviceName;
    const renamings = async (sessionId: string) =>
      (await app.events({ sessionId })).filter(({ type }) => type === 'auth.session.renamed.v1');

    it('is given and taken away, once each in the record', async () => {
      const session = (await app.logIn()).body;
      for (const deviceName of ['Anna’s laptop', 'Anna’s laptop', null]) {
        expect((await rename(session, session.sessionId, { deviceName })).status).toBe(204);
        expect(await nameOf(session)).toBe(deviceName);
      }
      expect((await renamings(session.sessionId)).map(({ details }) => details)).toEqual([
        { deviceName: 'Anna’s laptop' },
        {},
      ]);
    });

    // Seen red with a command that does not look whose session it is.
    it('of a foreign, an ended or an unknown session is 404, and changes nothing', async () => {
      const mine = (await app.logIn()).body;
      const account = await app.register();
      const theirs = (await app.logIn(account, { deviceName: 'Theirs' })).body;
      const ended = (await app.logIn(account)).body;
      await app.post('/auth/logout', { refreshToken: ended.refreshToken });
      const body = { deviceName: 'Mine' };
      expect((await rename(mine, theirs.sessionId, body)).status).toBe(404);
      expect((await rename(theirs, ended.sessionId, body)).status).toBe(404);
      expect((await rename(mine, randomUUID(), body)).status).toBe(404);
      expect(await nameOf(theirs)).toBe('Theirs');
      expect(await renamings(ended.sessionId)).toEqual([]);
    });

    it.each([
      [{}, 'must be a string'],
      [{ deviceName: '' }, 'must not be empty: null removes the name'],
      [{ deviceName: ' \t'.trimEnd() + ' ' }, 'must not be empty: null removes the name'],
      [{ deviceName: 'x'.repeat(129) }, 'must have at most 128 characters'],
      [{ deviceName: '\u202Egnp.exe' }, 'change the direction of text'],
      [{ deviceName: 'a\u0000' }, 'control'],
      [{ deviceName: 7 }, 'must be a string'],
    ])('is not %j: 400, with the rule', async (body, rule) => {
      const session = (await app.logIn()).body;
      const answer = await rename(session, session.sessionId, body);
      expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: 'deviceName' }] } });
      expect(answer.body.errors[0].message).toContain(rule);
    });
  });
});
