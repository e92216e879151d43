import { randomUUID } from 'node:crypto';
import {
  type Account,
  type Answer,
  type Json,
  startTestApplication,
  type TestApplication,
} from '../support/app/test-application';
import { asAdmin, rotateAll, rotateUser, statusOfMe } from './support/administration';
import { age, openChain, rowOf, TRUSTING, userFloorOf } from './support/sessions';

const DAY = 24 * 60 * 60;

describe('The sessions of a user', () => {
  let app: TestApplication;
  let account: Awaited<ReturnType<TestApplication['register']>>;
  beforeAll(async () => {
    app = await startTestApplication({ env: TRUSTING });
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    account = await app.register();
  });

  const open = async (of: Account = account): Promise<Json> => (await app.logIn(of)).body;
  const list = (bearer: string): Promise<Answer> => app.get('/auth/sessions', bearer);
  const idsOf = async (bearer: string): Promise<string[]> => (await list(bearer)).body.map(({ id }: Json) => id);
  const end = (path: string, bearer?: string) =>
    app.request('DELETE', `/auth/sessions${path}`, bearer === undefined ? {} : { bearer });
  const statusOfRefresh = async ({ refreshToken }: Json) => (await app.refresh(refreshToken)).status;

  describe('are listed', () => {
    it('with the device of the login, and the client of the last refresh apart from it', async () => {
      const { email, password } = account;
      const login = (
        await app.post(
          '/auth/login',
          { email, password, deviceId: 'laptop', deviceName: 'The laptop' },
          { 'User-Agent': 'Browser/1', 'X-Forwarded-For': '192.0.2.1' },
        )
      ).body;
      const opened = await list(login.accessToken);
      const item = {
        id: login.sessionId,
        current: true,
        deviceId: 'laptop',
        deviceName: 'The laptop',
        userAgent: 'Browser/1',
        ipAddress: '192.0.2.1',
        lastUserAgent: null,
        lastIpAddress: null,
        createdAt: expect.any(String),
        lastUsedAt: opened.body[0].createdAt,
        expiresAt: inDays(opened.body[0].createdAt, 7),
        absoluteExpiresAt: inDays(opened.body[0].createdAt, 30),
        generation: 0,
      };
      expect(opened).toMatchObject({ status: 200, body: [item] });
      expect(Object.keys(opened.body[0])).toEqual(Object.keys(item));
      expect(opened.headers.get('Cache-Control')).toBe('no-store');

      const refreshed = await app.post(
        '/auth/refresh',
        { refreshToken: login.refreshToken, deviceId: 'server', deviceName: 'A server' },
        { 'User-Agent': 'SSR/2', 'X-Forwarded-For': '2001:db8::2' },
      );
      const { body } = await list(refreshed.body.accessToken);
      expect(body).toEqual([
        {
          ...opened.body[0],
          lastUserAgent: 'SSR/2',
          lastIpAddress: '2001:db8::2',
          lastUsedAt: expect.any(String),
          expiresAt: expect.any(String),
          generation: 1,
        },
      ]);
      expect(body[0].lastUsedAt > body[0].createdAt).toBe(true);
      expect(body[0].expiresAt > opened.body[0].expiresAt).toBe(true);
      expect(body[0].expiresAt <= inDays(body[0].lastUsedAt, 7)).toBe(true);
    });

    it('newest use first, and only the one that asks is the current one', async () => {
      const [first, second, third] = [await open(), await open(), await open()];
      expect(await idsOf(first.accessToken)).toEqual([third.sessionId, second.sessionId, first.sessionId]);
      await app.refresh(first.refreshToken);
      const { body } = await list(second.accessToken);
      expect(body.map(({ id, current }: Json) => [id, current])).toEqual([
        [first.sessionId, false],
        [third.sessionId, false],
        [second.sessionId, true],
      ]);
    });

    it('as long as they could be refreshed: not after their end, their expiry, or below a floor', async () => {
      const [idle, old, loggedOut, stolen] = [
        await open(),
        await open(),
        await open(),
        await openChain(app, 2, { account }),
      ];
      await age(app, idle.sessionId, 7 * DAY);
      await age(app, old.sessionId, 30 * DAY);
      await app.post('/auth/logout', { refreshToken: loggedOut.refreshToken });
      await app.refresh(stolen.tokens[0]);
      const below = await open();
      await rotateUser(app, account.id);
      const current = await open();

      expect(await idsOf(current.accessToken)).toEqual([current.sessionId]);
      // Nothing has ended it yet: its row only waits to be refused.
      expect(await rowOf(app, below.sessionId)).toMatchObject({ revoked_at: null });
      expect(await statusOfRefresh(below)).toBe(401);
    });

    it('during a global grace period as long as it lets them refresh', async () => {
      const before = await open();
      await rotateAll(app, { mode: 'migrate', gracePeriodSeconds: 60 });
      const after = await open();
      expect(await idsOf(after.accessToken)).toEqual([after.sessionId, before.sessionId]);
      await rotateAll(app);
      const last = await open();
      expect(await idsOf(last.accessToken)).toEqual([last.sessionId]);
    });

    it('to nobody else, and to nobody without a token', async () => {
      await open();
      const stranger = await open(await app.register());
      expect(await idsOf(stranger.accessToken)).toEqual([stranger.sessionId]);
      expect((await app.get('/auth/sessions')).status).toBe(401);
    });
  });

  describe('end one by one', () => {
    it('with their refresh tokens and their access tokens, once, and without the others', async () => {
      const [current, other] = [await open(), await open()];
      const answer = await end(`/${other.sessionId}`, current.accessToken);
      expect(answer).toMatchObject({ status: 204, body: undefined });
      expect(answer.headers.has('Set-Cookie')).toBe(false);

      expect(await rowOf(app, other.sessionId)).toMatchObject({ revoked_reason: 'session_revoked' });
      expect(await statusOfRefresh(other)).toBe(401);
      expect(await statusOfMe(app, other.accessToken)).toBe(401);
      expect(await idsOf(current.accessToken)).toEqual([current.sessionId]);
      expect(await statusOfRefresh(current)).toBe(200);
      expect(await statusOfMe(app, current.accessToken)).toBe(200);

      expect((await end(`/${other.sessionId}`, current.accessToken)).status).toBe(204);
      const ends = await app.query(
        `SELECT user_id, outcome, reason FROM auth_events WHERE session_id = $1 AND type = 'auth.session.revoked.v1'`,
        [other.sessionId],
      );
      expect(ends).toEqual([{ user_id: account.id, outcome: 'succeeded', reason: 'session_revoked' }]);
    });

    it('also the one that asks', async () => {
      const current = await open();
      expect((await end(`/${current.sessionId}`, current.accessToken)).status).toBe(204);
      expect((await list(current.accessToken)).status).toBe(401);
    });

    // Seen red with a 403 for sessions of others.
    it('only for their user: a foreign one is answered as one that there is not, and lives on', async () => {
      const mine = await open();
      const theirs = await open(await app.register());
      const [foreign, unknown] = [
        await end(`/${theirs.sessionId}`, mine.accessToken),
        await end(`/${randomUUID()}`, mine.accessToken),
      ];
      expect(foreign.status).toBe(404);
      expect(foreign.body).toEqual({ type: 'about:blank', title: 'Not Found', status: 404, code: 'not_found' });
      expect(withoutDate(foreign)).toEqual(withoutDate(unknown));
      expect(await statusOfRefresh(theirs)).toBe(200);
      expect(await statusOfMe(app, theirs.accessToken)).toBe(200);
    });

    it.each(['/me', '/0', `/${'a'.repeat(36)}`, `/${randomUUID()}x`, '/%00'])(
      'never by %j, which is no id: 400',
      async (path) => {
        const current = await open();
        expect(await end(path, current.accessToken)).toMatchObject({
          status: 400,
          body: { code: 'invalid_request', errors: [{ path: 'id' }] },
        });
      },
    );

    it('for nobody without a token', async () => {
      const current = await open();
      expect((await end(`/${current.sessionId}`)).status).toBe(401);
      expect(await statusOfRefresh(current)).toBe(200);
    });
  });

  describe('end all but the current one', () => {
    it('with their tokens, counted, each with its record', async () => {
      const others = [await open(), await open(), await openChain(app, 1, { account })];
      const expired = await open();
      await age(app, expired.sessionId, 7 * DAY);
      const current = await open();
      const stranger = await open(await app.register());

      expect(await end('?except=current', current.accessToken)).toMatchObject({
        status: 200,
        body: { revokedSessions: 3 },
      });
      for (const { sessionId } of others) {
        expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'session_revoked' });
        expect((await app.events({ sessionId })).at(-1)).toMatchObject({ type: 'auth.session.revoked.v1' });
      }
      expect(await statusOfMe(app, others[0].accessToken)).toBe(401);
      for (const alive of [current, stranger]) {
        expect(await statusOfMe(app, alive.accessToken)).toBe(200);
        expect(await statusOfRefresh(alive)).toBe(200);
      }
      // No floor was raised: the access token that asked still counts.
      expect(await userFloorOf(app, account.id)).toBe(1);
      expect(await end('?except=current', current.accessToken)).toMatchObject({ body: { revokedSessions: 0 } });
    });

    it.each(['', '?except', '?except=', '?except=all', '?except=current&except=current', '?except=current&all=true'])(
      'and not by %j: 400, nothing ends',
      async (query) => {
        const [current, other] = [await open(), await open()];
        expect(await end(query, current.accessToken)).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
        expect(await statusOfRefresh(other)).toBe(200);
        expect(await statusOfRefresh(current)).toBe(200);
      },
    );
  });

  describe('are in the hands of administrators', () => {
    it('who see what the user sees, none of it current', async () => {
      const [first, second] = [await open(), await open()];
      const { status, body } = await asAdmin(app, 'GET', `/admin/users/${account.id}/sessions`);
      expect(status).toBe(200);
      expect(body.map(({ id, current }: Json) => [id, current])).toEqual([
        [second.sessionId, false],
        [first.sessionId, false],
      ]);
      const own = (await list(first.accessToken)).body;
      expect(body).toEqual(own.map((item: Json) => ({ ...item, current: false })));
    });

    it('who end them all: refresh tokens, access tokens, and what was under way', async () => {
      const sessions = [await open(), await open()];
      const answer = await asAdmin(app, 'DELETE', `/admin/users/${account.id}/sessions`);
      expect(answer).toMatchObject({ status: 200, body: { revokedSessions: 2 } });
      for (const session of sessions) {
        expect(await rowOf(app, session.sessionId)).toMatchObject({ revoked_reason: 'admin_action' });
        expect(await statusOfMe(app, session.accessToken)).toBe(401);
        expect(await statusOfRefresh(session)).toBe(401);
      }
      expect(await userFloorOf(app, account.id)).toBe(2);
      const [admin] = await app.query(`SELECT id FROM users WHERE 'admin' = ANY(roles)`);
      expect(
        (await app.events({ userId: account.id })).findLast(({ reason }) => reason === 'admin_action'),
      ).toMatchObject({
        type: 'auth.sessions.all_revoked.v1',
        details: { revokedSessions: 2, actorId: admin.id },
      });
    });

    it('for users whom nobody knows: none', async () => {
      expect(await asAdmin(app, 'GET', `/admin/users/${randomUUID()}/sessions`)).toMatchObject({
        status: 200,
        body: [],
      });
      expect(await asAdmin(app, 'DELETE', `/admin/users/${randomUUID()}/sessions`)).toMatchObject({
        status: 200,
        body: { revokedSessions: 0 },
      });
    });

    // Seen red with Fastify's own limit of 100 characters.
    it('who name the user by an id of up to 128 characters, whatever they are', async () => {
      for (const id of ['42', 'a/b c%', '漢'.repeat(128)]) {
        const path = `/admin/users/${encodeURIComponent(id)}/sessions`;
        expect(await asAdmin(app, 'GET', path)).toMatchObject({ status: 200, body: [] });
      }
    });

    it.each([
      ['GET', '/admin/users/:id/sessions'],
      ['DELETE', '/admin/users/:id/sessions'],
      ['GET', '/admin/sessions/:id/history'],
    ])('and of nobody else: %s %s', async (method, path) => {
      const { accessToken, sessionId } = await open();
      const [own, malformed] = [account.id, 'x'.repeat(129)].map((id) => path.replace(':id', id));
      expect((await app.request(method, own!, { bearer: accessToken })).status).toBe(403);
      expect((await app.request(method, own!)).status).toBe(401);
      expect(await asAdmin(app, method, malformed!)).toMatchObject({ status: 400, body: { errors: [{ path: 'id' }] } });
      expect(await rowOf(app, sessionId)).toMatchObject({ revoked_at: null });
    });
  });

  describe('have a history', () => {
    const typesOf = (items: readonly Json[]) => items.map(({ type }) => type.replace(/^auth\.|\.v1$/g, ''));

    it('of everything that happened to them, oldest first, to the end', async () => {
      const { sessionId, tokens } = await openChain(app, 2, { account });
      await app.refresh(tokens[1]!);
      await app.refresh(tokens[0]);
      await app.refresh(tokens[2]!);
      const { status, body } = await asAdmin(app, 'GET', `/admin/sessions/${sessionId}/history`);

      expect(status).toBe(200);
      expect(body.nextCursor).toBeNull();
      expect(typesOf(body.items)).toEqual([
        ...['login.attempted', 'session.created', 'login.succeeded'],
        ...['token_refresh.attempted', 'token_refresh.succeeded'],
        ...['token_refresh.attempted', 'token_refresh.succeeded'],
        ...['token_refresh.attempted', 'token_refresh.succeeded'],
        ...['token_refresh.attempted', 'token.reuse_detected', 'session.revoked', 'token_refresh.failed'],
        ...['token_refresh.attempted', 'token_refresh.failed'],
      ]);
      expect(body.items.map(({ generation }: Json) => generation)).toEqual(
        [0, 0, 0, 0, 1, 1, 2, 1, 2, 0, 0, 0, 0, 2, 2].map(Number),
      );
      for (const item of body.items) expect(item).toMatchObject({ sessionId, userId: account.id });
    });

    it('in pages that leave out nothing and repeat nothing, while it goes on', async () => {
      const { sessionId, current } = await openChain(app, 6, { account });
      const history = (query: string) => asAdmin(app, 'GET', `/admin/sessions/${sessionId}/history?${query}`);
      const all = (await history('limit=200')).body.items;
      expect(all).toHaveLength(15);

      const read: Json[] = [];
      let cursor = '';
      let token = current;
      do {
        const { status, body } = await history(`limit=4${cursor && `&cursor=${cursor}`}`);
        expect(status).toBe(200);
        expect(body.items.length).toBeLessThanOrEqual(4);
        read.push(...body.items);
        cursor = body.nextCursor;
        if (read.length < all.length) token = (await app.refresh(token)).body.refreshToken;
      } while (cursor);
      expect(read.slice(0, all.length)).toEqual(all);
      expect(new Set(read.map(({ id }) => id)).size).toBe(read.length);
      expect(read.length).toBeGreaterThan(all.length);
      for (const bad of ['limit=0', 'limit=201', 'cursor=x', 'from=2026-01-01', `userId=${account.id}`]) {
        expect((await history(bad)).status).toBe(400);
      }
    });

    it('that is empty for a session that nobody knows', async () => {
      expect(await asAdmin(app, 'GET', `/admin/sessions/${randomUUID()}/history`)).toMatchObject({
        status: 200,
        body: { items: [], nextCursor: null },
      });
    });

    it.each<[how: string, reason: string, happens: (bearer: string) => Promise<Answer>]>([
      ['the user everywhere', 'user_logout_all', (bearer) => app.request('POST', '/auth/logout-all', { bearer })],
      [
        'a new password',
        'password_changed',
        (bearer) =>
          app.request('POST', '/auth/password', {
            bearer,
            body: { currentPassword: account.password, newPassword: 'another long passphrase' },
          }),
      ],
      ['an administrator', 'admin_action', () => asAdmin(app, 'DELETE', `/admin/users/${account.id}/sessions`)],
      [
        'a deactivation',
        'user_deactivated',
        () => asAdmin(app, 'PATCH', `/admin/users/${account.id}`, { isActive: false }),
      ],
    ])('that tells its end also where %s ended all of them at once', async (_how, reason, happens) => {
      const [ended, asking] = [await open(), await open()];
      expect((await happens(asking.accessToken)).status).toBe(200);
      for (const { sessionId } of [ended, asking]) {
        const { items } = (await asAdmin(app, 'GET', `/admin/sessions/${sessionId}/history`)).body;
        expect(items.filter(({ type }: Json) => type === 'auth.session.revoked.v1')).toMatchObject([
          { sessionId, userId: account.id, reason },
        ]);
      }
    });
  });
});

const inDays = (from: string, days: number): string => new Date(Date.parse(from) + days * DAY * 1000).toISOString();

function withoutDate({ status, headers, body }: Answer): object {
  const { date: _, ...rest } = Object.fromEntries(headers);
  return { status, body, headers: rest };
}
