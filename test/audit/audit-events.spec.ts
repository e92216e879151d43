import { randomUUID } from 'node:crypto';
import { ADMIN, startTestApplication, type Json, type TestApplication } from '../support/app/test-application';

const ITEM = [
  'id',
  'type',
  'occurredAt',
  'attemptId',
  'userId',
  'sessionId',
  'generation',
  'ipAddress',
  'userAgent',
  'outcome',
  'reason',
  'details',
];

describe('GET /admin/audit-events', () => {
  let application: TestApplication;
  let admin: string;
  beforeAll(async () => {
    application = await startTestApplication();
    admin = (await application.logIn(ADMIN)).body.accessToken;
  });
  afterAll(() => application.close());

  const search = (parameters: Record<string, string>, bearer = admin) =>
    application.get(`/admin/audit-events?${new URLSearchParams(parameters).toString()}`, bearer);

  it('is for administrators', async () => {
    const { accessToken } = (await application.logIn()).body;
    expect(await application.get('/admin/audit-events')).toMatchObject({ status: 401 });
    expect(await search({}, accessToken)).toMatchObject({ status: 403 });
  });

  it('tells a session by its id, newest first, each event with the same fields', async () => {
    const account = await application.register();
    const login = (await application.logIn(account)).body;
    const refreshed = (await application.refresh(login.refreshToken)).body;
    await application.post('/auth/logout', { refreshToken: refreshed.refreshToken });
    await application.logIn(account);

    const { status, body } = await search({ sessionId: login.sessionId });

    expect(status).toBe(200);
    expect(body.nextCursor).toBeNull();
    const types = body.items.map(({ type }: { type: string }) => type);
    expect(types.toReversed()).toEqual([
      ...types
        .filter((type: string) => type.startsWith('auth.login') || type === 'auth.session.created.v1')
        .toReversed(),
      'auth.token_refresh.attempted.v1',
      'auth.token_refresh.succeeded.v1',
      ...types
        .filter((type: string) => type.startsWith('auth.logout') || type === 'auth.session.revoked.v1')
        .toReversed(),
    ]);
    for (const item of body.items) expect(Object.keys(item).toSorted()).toEqual(ITEM.toSorted());
    expect(body.items.find(({ type }: { type: string }) => type === 'auth.token_refresh.succeeded.v1')).toMatchObject({
      userId: account.id,
      sessionId: login.sessionId,
      ipAddress: '127.0.0.1',
      outcome: 'succeeded',
      reason: null,
      details: { replayed: false },
    });
  });

  it('pages through everything once, with no gap and no repetition, while new events arrive', async () => {
    const { userId, sessionId } = await chain(9);
    const all = (await search({ userId, limit: '200' })).body.items;
    expect(all.length).toBeGreaterThan(18);

    const seen: unknown[] = [];
    let cursor: string | null = null;
    do {
      const { body } = await search({ userId, limit: '4', ...(cursor !== null && { cursor }) });
      expect(body.items.length).toBeLessThanOrEqual(4);
      seen.push(...body.items);
      cursor = body.nextCursor;
      await application.query(
        `INSERT INTO auth_events (occurred_at, id, type, outcome, user_id, session_id, user_agent, details)
         VALUES (now(), $1, 'auth.login.attempted.v1', 'attempted', $2, $3, 'later', '{}')`,
        [randomUUID(), userId, sessionId],
      );
    } while (cursor !== null);

    expect(seen).toEqual(all);
  });

  it('finds by every filter, and by all of them together', async () => {
    const { userId, sessionId } = await chain(2);
    const all: Json[] = (await search({ userId })).body.items;
    const [newest] = all;
    const attempt = all.filter(({ attemptId }) => attemptId === newest.attemptId);
    const type = 'auth.token_refresh.succeeded.v1';

    expect((await search({ sessionId })).body.items.every((item: Json) => item.sessionId === sessionId)).toBe(true);
    expect((await search({ attemptId: newest.attemptId })).body.items).toEqual(attempt);
    expect((await search({ userId, type })).body.items).toEqual(all.filter((item) => item.type === type));
    expect((await search({ userId, outcome: 'attempted' })).body.items).toEqual(
      all.filter((item) => item.outcome === 'attempted'),
    );
    expect((await search({ userId, from: newest.occurredAt })).body.items).toEqual(
      all.filter((item) => item.occurredAt >= newest.occurredAt),
    );
    expect((await search({ userId, to: newest.occurredAt })).body.items).toEqual(
      all.filter((item) => item.occurredAt < newest.occurredAt),
    );
    const everything = {
      userId,
      sessionId,
      attemptId: newest.attemptId,
      type,
      outcome: 'succeeded',
      from: '2026-01-01',
    };
    expect((await search(everything)).body.items).toEqual(attempt.filter((item) => item.type === type));
    expect((await search({ userId: randomUUID() })).body).toEqual({ items: [], nextCursor: null });
  });

  it.each([
    ['cursor', 'nonsense'],
    ['cursor', ''],
    ['cursor', Buffer.from(`17000000000000000.${randomUUID()}`).toString('base64url')],
    ['cursor', `${Buffer.from(`1700000000000.${randomUUID()}`).toString('base64url')}=`],
    ['limit', '0'],
    ['limit', '201'],
    ['limit', '1.5'],
    ['limit', 'ten'],
    ['limit', ''],
    ['userId', 'x'.repeat(129)],
    ['userId', ''],
    ['sessionId', 'abc'],
    ['attemptId', '%00'],
    ['type', 'auth.unknown.v1'],
    ['outcome', 'maybe'],
    ['from', 'yesterday'],
    ['from', '2026-02-31'],
    ['from', '2026-W05'],
    ['from', '2026-01-31T12:00:00'],
    ['to', '0000-01-01'],
    ['unknown', '1'],
  ])('refuses %s=%j with its name', async (path, value) => {
    const { status, headers, body } = await search({ [path]: value });
    expect(status).toBe(400);
    expect(headers.get('Content-Type')).toContain('application/problem+json');
    expect(body.errors.map((error: { path: string }) => error.path)).toContain(path);
  });

  it('refuses a filter that is given twice', async () => {
    expect(await application.get(`/admin/audit-events?type=a&type=b`, admin)).toMatchObject({ status: 400 });
  });

  /** A login and as many refreshes. */
  async function chain(refreshes: number): Promise<{ userId: string; sessionId: string }> {
    const account = await application.register();
    const { sessionId, ...login } = (await application.logIn(account)).body;
    let { refreshToken } = login;
    for (let i = 0; i < refreshes; i++) refreshToken = (await application.refresh(refreshToken)).body.refreshToken;
    return { userId: account.id, sessionId };
  }
});
