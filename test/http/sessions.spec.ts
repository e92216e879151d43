import { randomUUID } from 'node:crypto';
import { Clock, SessionRepository } from '../../src';
import {
  type Account,
  type Answer,
  type Json,
  startTestApplication,
  type TestApplication,
} from '../support/app/test-application';
import { asAdmin, rotateAll, rotateUser, statusOfMe } from './support/administration';
import { intercept } from './support/intercept';
import { age, copy, markedRowOf, openChain, rowOf, TRUSTING, userFloorOf } from './support/sessions';

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
  const list = (bearer: string, query = ''): Promise<Answer> => app.get(`/auth/sessions${query}`, bearer);
  const idsOf = async (bearer: string): Promise<string[]> => (await list(bearer)).body.items.map(({ id }: Json) => id);
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
      const [first] = opened.body.items;
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
        lastUsedAt: first.createdAt,
        expiresAt: inDays(first.createdAt, 7),
        absoluteExpiresAt: inDays(first.createdAt, 30),
        generation: 0,
        binding: null,
      };
      expect(opened).toMatchObject({ status: 200, body: { items: [item], nextCursor: null } });
      expect(Object.keys(opened.body)).toEqual(['items', 'nextCursor']);
      expect(Object.keys(first)).toEqual(Object.keys(item));
      expect(opened.headers.get('Cache-Control')).toBe('no-store');

      const refreshed = await app.post(
        '/auth/refresh',
        { refreshToken: login.refreshToken, deviceId: 'server', deviceName: 'A server' },
        { 'User-Agent': 'SSR/2', 'X-Forwarded-For': '2001:db8::2' },
      );
      const { items } = (await list(refreshed.body.accessToken)).body;
      expect(items).toEqual([
        {
          ...first,
          lastUserAgent: 'SSR/2',
          lastIpAddress: '2001:db8::2',
          lastUsedAt: expect.any(String),
          expiresAt: expect.any(String),
          generation: 1,
        },
      ]);
      expect(items[0].lastUsedAt > items[0].createdAt).toBe(true);
      expect(items[0].expiresAt > first.expiresAt).toBe(true);
      expect(items[0].expiresAt <= inDays(items[0].lastUsedAt, 7)).toBe(true);
    });

    it('newest use first, and only the one that asks is the current one', async () => {
      const [first, second, third] = [await open(), await open(), await open()];
      expect(await idsOf(first.accessToken)).toEqual([third.sessionId, second.sessionId, first.sessionId]);
      await app.refresh(first.refreshToken);
      const { body } = await list(second.accessToken);
      expect(body.items.map(({ id, current }: Json) => [id, current])).toEqual([
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

  describe('are paged', () => {
    type Page = { readonly items: readonly Json[]; readonly nextCursor: string | null };

    /** Both lists of the account's sessions, by whose word. */
    const lists: [by: string, page: (query: string, bearer: string) => Promise<Answer>][] = [
      ['their user', (query, bearer) => list(bearer, query)],
      ['an administrator', (query) => asAdmin(app, 'GET', `/admin/users/${account.id}/sessions${query}`)],
    ];

    describe.each(lists)('by %s', (_by, page) => {
      const read = async (limit: number, bearer: string): Promise<Page[]> => {
        const pages: Page[] = [];
        for (let query = `?limit=${limit}`; ;) {
          const { status, body } = await page(query, bearer);
          expect(status).toBe(200);
          pages.push(body);
          if (body.nextCursor === null) return pages;
          query = `?limit=${limit}&cursor=${body.nextCursor}`;
        }
      };
      const idsIn = (pages: readonly Page[]) => pages.flatMap(({ items }) => items.map(({ id }) => id));

      // Seen red with the position in milliseconds: of the sessions of one millisecond, one page was all.
      it('without a session skipped or repeated, however many were used in one millisecond', async () => {
        const { sessionId, accessToken } = await open();
        const ids = [sessionId, ...(await copy(app, sessionId, 20, 7)), ...(await copy(app, sessionId, 10))];
        const pages = await read(4, accessToken);
        expect(pages.map(({ items }) => items.length)).toEqual([4, 4, 4, 4, 4, 4, 4, 3]);
        expect(idsIn(pages).toSorted()).toEqual(ids.toSorted());
        expect(idsIn(await read(31, accessToken))).toEqual(idsIn(pages));
      });

      it('with 100 sessions on a page unless fewer are asked for', async () => {
        const { sessionId, accessToken } = await open();
        await copy(app, sessionId, 120, 1);
        const { body } = await page('', accessToken);
        expect(body.items).toHaveLength(100);
        const rest = await page(`?cursor=${body.nextCursor}`, accessToken);
        expect(rest.body).toMatchObject({ items: { length: 21 }, nextCursor: null });
        expect(new Set(idsIn([body, rest.body])).size).toBe(121);
      });

      // Seen red without the floor in the statement that reads a page.
      it('in full pages: a session below a floor takes no place', async () => {
        const { sessionId } = await open();
        await copy(app, sessionId, 3);
        await rotateUser(app, account.id);
        const [first, second] = [await open(), await open()];
        await app.query(`UPDATE sessions SET last_used_at = now() WHERE id = $1`, [sessionId]);
        const pages = await read(1, second.accessToken);
        expect(pages.map(({ items }) => items.map(({ id }) => id))).toEqual([[second.sessionId], [first.sessionId]]);
      });

      it('with a session that is refreshed in between at the front', async () => {
        const [first, second, third] = [await open(), await open(), await open()];
        const { body } = await page('?limit=1', first.accessToken);
        expect(idsIn([body])).toEqual([third.sessionId]);
        await app.refresh(first.refreshToken);
        const rest = await page(`?limit=2&cursor=${body.nextCursor}`, first.accessToken);
        expect(idsIn([rest.body])).toEqual([second.sessionId]);
        expect(idsIn(await read(2, first.accessToken))).toEqual([first.sessionId, third.sessionId, second.sessionId]);
      });

      it('from a place in the order alone: the cursor of another user opens no sessions of that one', async () => {
        const mine = [await open(), await open()];
        const other = await app.register();
        const theirs = [await open(other), await open(other), await open(other)];
        const { nextCursor } = (await list(theirs[0].accessToken, '?limit=1')).body;
        const { status, body } = await page(`?cursor=${nextCursor}`, mine[0].accessToken);
        expect(status).toBe(200);
        expect(idsIn([body])).toEqual([mine[1].sessionId, mine[0].sessionId]);
      });

      const ID = '0198a0b0-0000-7000-8000-00000000000a';
      const cursorOf = (text: string) => `cursor=${Buffer.from(text).toString('base64url')}`;
      const whole = 'limit must be a whole number from 1 to 100';
      const ofPage = 'cursor must be the nextCursor of an earlier page';
      it.each<[query: string, rule: string]>([
        ...['limit=0', 'limit=101', 'limit=-1', 'limit=1.5', 'limit=abc', 'limit=', 'limit', 'limit=1e309'].map<
          [string, string]
        >((query) => [query, whole]),
        ['limit=2&limit=2', whole],
        ['cursor=', ofPage],
        ['cursor=x', ofPage],
        ['cursor=%00', ofPage],
        [cursorOf(`1769860800123456.${ID}`).slice(0, -1), ofPage],
        [`${cursorOf(`1769860800123456.${ID}`)}==`, ofPage],
        [cursorOf(`1769860800123456.${ID.toUpperCase()}`), ofPage],
        [cursorOf(`0x10.${ID}`), ofPage],
        [cursorOf(`99999999999999999.${ID}`), ofPage],
        [cursorOf(`-1.${ID}`), ofPage],
        [cursorOf(`1769860800123456.1' OR true --`), ofPage],
        [`${cursorOf(`1.${ID}`)}&${cursorOf(`1.${ID}`)}`, ofPage],
      ])('and not by ?%s: 400, with the rule', async (query, message) => {
        const { accessToken } = await open();
        expect(await page(`?${query}`, accessToken)).toMatchObject({
          status: 400,
          body: { code: 'invalid_request', errors: [{ path: message.split(' ')[0], message }] },
        });
      });

      it('and not by what nobody knows: 400', async () => {
        const { accessToken } = await open();
        expect(await page('?limit=1&page=2&userId=x', accessToken)).toMatchObject({
          status: 400,
          body: { errors: [{ path: 'page' }, { path: 'userId' }] },
        });
      });

      it('from every place that a cursor can name', async () => {
        const { accessToken, sessionId } = await open();
        for (const [time, found] of [
          ['0', []],
          ['9999999999999998', [sessionId]],
        ] as const) {
          const { status, body } = await page(`?${cursorOf(`${time}.${randomUUID()}`)}`, accessToken);
          expect(status).toBe(200);
          expect(idsIn([body])).toEqual(found);
        }
      });
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
    const historyOf = async ({ sessionId }: Json): Promise<Json[]> =>
      (await asAdmin(app, 'GET', `/admin/sessions/${sessionId}/history`)).body.items;
    const endOf = async (session: Json) =>
      (await historyOf(session)).find(({ type }) => /revoked\.v1$/.test(type)) ?? null;

    it('with their tokens, counted, with one record', async () => {
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
      }
      const records = (await app.events({ userId: account.id })).filter(({ type }) => /revoked\.v1$/.test(type));
      expect(records).toMatchObject([
        {
          type: 'auth.sessions.all_revoked.v1',
          reason: 'session_revoked',
          session_id: current.sessionId,
          details: {
            revokedSessions: 3,
            exceptSessionId: current.sessionId,
            throughSessionId: others.at(-1).sessionId,
          },
        },
      ]);
      expect(await statusOfMe(app, others[0].accessToken)).toBe(401);
      for (const alive of [current, stranger]) {
        expect(await statusOfMe(app, alive.accessToken)).toBe(200);
        expect(await statusOfRefresh(alive)).toBe(200);
      }
      // No floor was raised: the access token that asked still counts.
      expect(await userFloorOf(app, account.id)).toBe(1);
      expect(await end('?except=current', current.accessToken)).toMatchObject({ body: { revokedSessions: 0 } });
    });

    // Seen red with a record that covers every session of its user.
    it('so that the history of each tells its own end, and of the spared one the end that it meets later', async () => {
      const [over, current, other] = [await open(), await open(), await open()];
      await app.post('/auth/logout', { refreshToken: over.refreshToken });
      await end('?except=current', current.accessToken);
      // As after a batch that did not reach it: it was there, and its id is higher.
      const missed = await open();
      await app.query(
        `UPDATE auth_events SET occurred_at = (SELECT min(occurred_at) FROM auth_events WHERE session_id = $2)
          WHERE session_id = $1 AND type = 'auth.session.created.v1'`,
        [missed.sessionId, other.sessionId],
      );
      expect(await endOf(missed)).toBeNull();
      const later = await open();
      const ofOthers = { type: 'auth.sessions.all_revoked.v1', reason: 'session_revoked' };
      expect(await endOf(over)).toMatchObject({ type: 'auth.session.revoked.v1', reason: 'user_logout' });
      expect(await endOf(other)).toMatchObject(ofOthers);
      expect(await endOf(current)).toMatchObject({ ...ofOthers, sessionId: current.sessionId });
      expect(await endOf(later)).toBeNull();

      await end('?except=current', later.accessToken);
      await asAdmin(app, 'DELETE', `/admin/users/${account.id}/sessions`);
      const ends = (await historyOf(current)).filter(({ type }) => /revoked\.v1$/.test(type));
      expect(ends.map(({ details }) => details.exceptSessionId)).toEqual([current.sessionId, later.sessionId]);
      expect((await historyOf(later)).at(-1)).toMatchObject({ ...ofOthers, reason: 'admin_action' });
    });

    // Seen red with one transaction for all of them.
    it('in batches of 1,000, and after two seconds with 503: what ended stays ended, and a repetition goes on', async () => {
      const [others, current] = [await open(), await open()];
      await copy(app, others.sessionId, 2499);
      let lateMs = 0;
      const batches: number[] = [];
      const restore = [
        intercept(app, Clock, 'now', (now: () => Date) => new Date(now().getTime() + lateMs)),
        intercept(app, SessionRepository, 'revokeSome', async (revoke) => {
          lateMs += 2000;
          const ended: string[] = await revoke();
          batches.push(ended.length);
          return ended;
        }),
      ];
      try {
        for (const rest of [1500, 500]) {
          const answer = await end('?except=current', current.accessToken);
          expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable', recovery: 'retry' } });
          expect(answer.headers.get('retry-after')).toBe('1');
          expect(await app.app.get(SessionRepository).countLiveOfUser(account.id)).toBe(rest + 1);
        }
        expect(await end('?except=current', current.accessToken)).toMatchObject({
          status: 200,
          body: { revokedSessions: 500 },
        });
        expect(batches).toEqual([1000, 1000, 500]);
      } finally {
        for (const back of restore) back();
      }
      expect(await statusOfRefresh(current)).toBe(200);
      expect(await statusOfRefresh(others)).toBe(401);
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
      expect(body.items.map(({ id, current }: Json) => [id, current])).toEqual([
        [second.sessionId, false],
        [first.sessionId, false],
      ]);
      const own = (await list(first.accessToken)).body;
      expect(body).toEqual({ ...own, items: own.items.map((item: Json) => ({ ...item, current: false })) });
    });

    it('who end them all: refresh tokens, access tokens, and what was under way', async () => {
      const sessions = [await open(), await open()];
      const answer = await asAdmin(app, 'DELETE', `/admin/users/${account.id}/sessions`);
      expect(answer).toMatchObject({ status: 200, body: { revokedSessions: 2 } });
      for (const session of sessions) {
        expect(await markedRowOf(app, session.sessionId)).toMatchObject({ revoked_reason: 'admin_action' });
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
        body: { items: [], nextCursor: null },
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
        expect(await asAdmin(app, 'GET', path)).toMatchObject({ status: 200, body: { items: [] } });
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
      const all = (await history('')).body.items;
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
      for (const bad of ['limit=0', 'limit=1001', 'cursor=x', 'from=2026-01-01', `userId=${account.id}`]) {
        expect((await history(bad)).status).toBe(400);
      }
    });

    // Seen red with the 50 events of a page of the trail.
    it('with 1,000 events on a page unless fewer are asked for', async () => {
      const { sessionId } = await openChain(app, 0, { account });
      await app.query(
        `INSERT INTO auth_events
         SELECT copy.* FROM auth_events AS one, generate_series(1, 1005) AS n, jsonb_populate_record(one, jsonb_build_object(
           'id', gen_random_uuid(), 'occurred_at', one.occurred_at + n * interval '1 second')) AS copy
         WHERE one.session_id = $1 AND one.type = 'auth.session.created.v1'`,
        [sessionId],
      );
      const history = async (query: string) => {
        const { status, body } = await asAdmin(app, 'GET', `/admin/sessions/${sessionId}/history${query}`);
        expect(status).toBe(200);
        return body;
      };
      const first = await history('');
      expect(first.items).toHaveLength(1000);
      expect((await history('?limit=1000')).items).toEqual(first.items);
      const rest = await history(`?cursor=${first.nextCursor}`);
      expect(rest).toMatchObject({ items: { length: 8 }, nextCursor: null });
      expect(new Set([...first.items, ...rest.items].map(({ id }) => id)).size).toBe(1008);
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
      const historyOf = async (sessionId: string, query = '') =>
        (await asAdmin(app, 'GET', `/admin/sessions/${sessionId}/history${query}`)).body;
      const endsOf = async ({ sessionId }: Json) =>
        (await historyOf(sessionId)).items.filter(({ type }: Json) =>
          /\.(all_revoked|session\.revoked)\.v1$/.test(type),
        );
      const [over, ended, asking] = [await open(), await open(), await open()];
      await app.post('/auth/logout', { refreshToken: over.refreshToken });
      expect((await happens(asking.accessToken)).status).toBe(200);
      const all = { type: 'auth.sessions.all_revoked.v1', userId: account.id, reason };
      for (const session of [ended, asking]) expect(await endsOf(session)).toMatchObject([all]);
      expect(await endsOf(over)).toMatchObject([{ type: 'auth.session.revoked.v1', reason: 'user_logout' }]);

      // What follows is the history of others: a session ends once, and one that was opened later has not ended.
      await asAdmin(app, 'PATCH', `/admin/users/${account.id}`, { isActive: true });
      const password = reason === 'password_changed' ? 'another long passphrase' : account.password;
      const later = (await app.logIn({ ...account, password })).body;
      expect(await endsOf(later)).toEqual([]);
      await asAdmin(app, 'DELETE', `/admin/users/${account.id}/sessions`);
      expect(await endsOf(later)).toMatchObject([{ ...all, reason: 'admin_action' }]);
      expect(await endsOf(ended)).toMatchObject([all]);

      // The same in pages of any size, before and after what was recorded of it later.
      await app.refresh(ended.refreshToken);
      const { items: whole } = await historyOf(ended.sessionId);
      expect(whole.map(({ type }: Json) => type).slice(-3)).toEqual([
        'auth.sessions.all_revoked.v1',
        'auth.token_refresh.attempted.v1',
        'auth.token_refresh.failed.v1',
      ]);
      for (const limit of [1, 3]) {
        const read: Json[] = [];
        for (let cursor: string | null = ''; cursor !== null;) {
          const page: Json = await historyOf(ended.sessionId, `?limit=${limit}${cursor && `&cursor=${cursor}`}`);
          expect(page.items.length).toBeLessThanOrEqual(limit);
          read.push(...page.items);
          cursor = page.nextCursor;
        }
        expect(read).toEqual(whole);
      }
    });

    // Seen red without the look at the session's limit.
    it('that has no end by others where the session had expired before', async () => {
      const { sessionId } = await open();
      await age(app, sessionId, 8 * DAY);
      await asAdmin(app, 'DELETE', `/admin/users/${account.id}/sessions`);
      const { items } = (await asAdmin(app, 'GET', `/admin/sessions/${sessionId}/history`)).body;
      expect(items.map(({ type }: Json) => type)).not.toContain('auth.sessions.all_revoked.v1');
    });
  });
});

const inDays = (from: string, days: number): string => new Date(Date.parse(from) + days * DAY * 1000).toISOString();

function withoutDate({ status, headers, body }: Answer): object {
  const { date: _, ...rest } = Object.fromEntries(headers);
  return { status, body, headers: rest };
}
