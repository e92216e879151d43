import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { EventEmitter2 } from '@nestjs/event-emitter';
import { AUTH_EVENTS, type AuthEvent, classOf } from '../../src';
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
      details: {},
    });
  });

  it('a granted refresh is one stored row and two events, to a search as to listeners, and so is a replay', async () => {
    const heard: AuthEvent[] = [];
    const emitter = application.app.get(EventEmitter2);
    const listen = (event: AuthEvent) => void heard.push(event);
    const { sessionId, refreshToken } = (await application.logIn()).body;
    for (const { type } of AUTH_EVENTS) emitter.on(type, listen);
    await application.refresh(refreshToken);
    await application.refresh(refreshToken);
    for (const { type } of AUTH_EVENTS) emitter.off(type, listen);

    const filters = { sessionId, from: heard[0]!.context.occurredAt.toISOString() };
    const { items } = (await search(filters)).body;
    const refresh = ['auth.token_refresh.attempted.v1', 'auth.token_refresh.succeeded.v1'];
    expect(heard.map((event) => classOf(event).type)).toEqual([...refresh, ...refresh]);
    expect(heard.map(({ context }) => context)).toEqual(
      items.toReversed().map(({ id, occurredAt, attemptId, userId, generation, ipAddress, userAgent }: Json) => ({
        eventId: id,
        occurredAt: new Date(occurredAt),
        ...{ attemptId, userId, sessionId, generation, ipAddress, userAgent },
      })),
    );
    expect(items.map(({ details }: Json) => details)).toEqual([{ replayed: true, door: 'window' }, {}, {}, {}]);
    const rows = await application.query(
      `SELECT id, type FROM auth_events WHERE session_id = $1 AND type LIKE 'auth.token_refresh.%' ORDER BY occurred_at, id`,
      [sessionId],
    );
    expect(rows).toEqual([1, 3].map((at) => ({ id: heard[at]!.context.eventId, type: refresh[1] })));
    for (const outcome of ['attempted', 'succeeded'])
      expect((await search({ ...filters, outcome })).body.items).toEqual(
        items.filter((item: Json) => item.outcome === outcome),
      );
  });

  // The clock's ten minutes may end between two readings: then there are two records.
  it('is itself recorded, with the reader and the filters, as is the reading of a history', async () => {
    const { userId, sessionId } = await chain(0);
    const reads = async (): Promise<Json[]> => (await search({ type: 'auth.audit.read.v1', limit: '200' })).body.items;
    for (let time = 0; time < 3; time++) {
      expect((await search({ userId, outcome: 'failed', limit: String(time + 1) })).status).toBe(200);
      expect((await application.get(`/admin/sessions/${sessionId}/history`, admin)).status).toBe(200);
    }
    const [me] = await application.query('SELECT id FROM users WHERE email = $1', [ADMIN.email]);
    const all = await reads();
    const of = (filter: object) => all.filter(({ details }: Json) => isDeepStrictEqual(details, { filter }));
    for (const filter of [{ userId, outcome: 'failed' }, { sessionId }]) {
      expect([1, 2]).toContain(of(filter).length);
      expect(of(filter)[0]).toMatchObject({ userId: me.id, sessionId: null, ipAddress: '127.0.0.1' });
    }
    // It is no part of the session's life.
    expect((await search({ sessionId, type: 'auth.audit.read.v1' })).body.items).toEqual([]);
  });

  it('is 503, and shows nothing, when it cannot be recorded', async () => {
    await application.query('ALTER TABLE auth_events RENAME TO auth_events_away');
    try {
      expect(await search({ attemptId: randomUUID() })).toMatchObject({ status: 503, body: { recovery: 'retry' } });
    } finally {
      await application.query('ALTER TABLE auth_events_away RENAME TO auth_events');
    }
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
    ['cursor', Buffer.from(`17000000000000000.${randomUUID()}.0`).toString('base64url')],
    ['cursor', Buffer.from(`1700000000000.${randomUUID()}`).toString('base64url')],
    ['cursor', Buffer.from(`1700000000000.${randomUUID()}.2`).toString('base64url')],
    ['cursor', `${Buffer.from(`1700000000000.${randomUUID()}.0`).toString('base64url')}=`],
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
