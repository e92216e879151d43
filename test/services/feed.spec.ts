import { setTimeout as delay } from 'node:timers/promises';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { HttpAdapterHost } from '@nestjs/core';
import { AuthOptions, RevocationFeed, RevocationView } from '../../src';
import { RevocationPolls } from '../../src/auth/application/resource-servers/revocation-polls';
import { FeedController } from '../../src/auth/http/feed/feed.controller';
import { asAdmin, rotateAll, rotateUser } from '../http/support/administration';
import { intercept } from '../http/support/intercept';
import { type Answer, type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { sentDuring } from '../support/database/sent';
import { freshDatabase } from '../support/database/test-database';
import { until } from '../support/until';
import { basic, ISSUER, poll, SERVICE, servicesEnv, TwoInstances, upToDate } from './support/services';

describe.each([['fastify'], ['express']] as const)('The feed for services, on %s', (adapter) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ adapter, env: servicesEnv() });
  });
  afterAll(() => app.close());

  it.each([
    ['no credentials', undefined],
    ['a wrong secret', basic(SERVICE.name, 'another-secret-of-the-orders-service')],
    ['an unknown name', basic('nobody', SERVICE.secret)],
    ['another scheme', `Bearer ${SERVICE.secret}`],
  ])('refuses %s, and says nothing else', async (_, authorization) => {
    const answer = await app.request('GET', '/auth/revocations', {
      headers: authorization === undefined ? {} : { Authorization: authorization },
    });
    expect(answer.status).toBe(401);
    expect(answer.body).toMatchObject({ code: 'invalid_client' });
    expect(answer.headers.get('WWW-Authenticate')).toMatch(/^Basic /);
  });

  it('does not take the access token of an administrator for a service', async () => {
    const { status } = await asAdmin(app, 'GET', '/auth/revocations');
    expect(status).toBe(401);
  });

  it.each([
    ['after=', 'after'],
    ['after=1.2', 'after'],
    ['after=%00', 'after'],
    ['after=a.1.0.1.3-2', 'after'],
    ['after=%25.1.0.1', 'after'],
    ['after=a.1.0.1&after=a.1.0.1', 'after'],
    ['wait=21', 'wait'],
    ['wait=-1', 'wait'],
    ['wait=1.5', 'wait'],
    ['wait=soon', 'wait'],
    ['limit=10', 'limit'],
  ])('refuses the query %s by its name', async (query, path) => {
    const headers = { Authorization: basic(SERVICE.name, SERVICE.secret) };
    const { status, body } = await app.request('GET', `/auth/revocations?${query}`, { headers });
    expect(status).toBe(400);
    expect(body.errors[0].path).toBe(path);
  });

  it('begins with a snapshot that says everything that a service decides by', async () => {
    const { status, headers, body } = await poll(app);
    expect(status).toBe(200);
    expect(headers.get('Cache-Control')).toBe('no-store');
    expect(body).toEqual({
      cursor: expect.any(String),
      snapshot: { page: 1, pages: 1 },
      issuer: ISSUER,
      policy: { version: expect.any(Number), mode: 'immediate', graceEndsAt: null },
      accessTokenTtl: 900,
      now: expect.any(String),
      revocations: expect.any(Array),
    });
  });

  it('answers a poll without news when its wait is over, and not before', async () => {
    const cursor = await upToDate(app);
    const askedAt = performance.now();
    const { status, body } = await poll(app, cursor, 1);
    expect(performance.now() - askedAt).toBeGreaterThanOrEqual(990);
    expect(status).toBe(200);
    expect(body).toMatchObject({ snapshot: null, revocations: [] });
  });

  it('is counted: the polls that are open, and the answers by their kind', async () => {
    const metric = async (series: string): Promise<number> => {
      const { body } = await app.get('/metrics');
      const line = (body as string).split('\n').find((one) => one.startsWith(`${series} `));
      return Number(line?.split(' ')[1]);
    };
    const answers = () =>
      Promise.all(
        ['snapshot', 'news', 'empty', 'refused'].map((kind) => metric(`ratchet_feed_answers_total{kind="${kind}"}`)),
      );
    const { id } = await app.register();
    const cursor = await upToDate(app);
    const before = await answers();
    await poll(app);
    await poll(app, cursor, 0);
    const waiting = poll(app, cursor, 20);
    await until(async () => (await metric('ratchet_feed_polls')) === 1);
    await rotateUser(app, id);
    await waiting;
    const after = await answers();
    expect(after.map((count, kind) => count - (before[kind] ?? 0))).toEqual([1, 1, 1, 0]);
    expect(await metric('ratchet_feed_polls')).toBe(0);
  });

  it('compresses a long answer for those who can read that', async () => {
    const cursor = await upToDate(app);
    const { id } = await app.register();
    await app.query(
      `INSERT INTO revocations (kind, subject_id, reason)
       SELECT 'session', gen_random_uuid(), 'user_logout' FROM generate_series(1, 200)`,
    );
    await rotateUser(app, id);
    const answers = [];
    for (const encoding of ['gzip', 'identity']) {
      await until(async () => (await poll(app, cursor, 5)).body.revocations.length > 200);
      const headers = { Authorization: basic(SERVICE.name, SERVICE.secret), 'Accept-Encoding': encoding };
      answers.push(await app.request('GET', `/auth/revocations?after=${cursor}`, { headers }));
    }
    expect(answers.map(({ headers }) => headers.get('Content-Encoding'))).toEqual(['gzip', null]);
    expect(answers.map(({ headers }) => headers.get('Vary'))).toEqual([
      expect.stringContaining('Accept-Encoding'),
      expect.stringContaining('Accept-Encoding'),
    ]);
    expect(answers[0]!.headers.get('Content-Type')).toMatch(/^application\/json/);
    expect(answers[0]!.body.revocations).toEqual(answers[1]!.body.revocations);
  });
});

describe('The feed of two instances', () => {
  let two: TwoInstances;
  let one: TestApplication;
  let other: TestApplication;
  beforeAll(async () => {
    two = await TwoInstances.start();
    ({ one, other } = two);
  });
  afterAll(() => two.close());

  /** What ends a wait, does so long before its end. */
  const endedEarly = (waiting: Promise<Answer>): Promise<Answer> =>
    Promise.race([
      waiting,
      delay(12_000, undefined, { ref: false }).then(() => Promise.reject(new Error('it waited'))),
    ]);

  const subjects = (body: Json): string[] => body.revocations.map(({ subject }: Json) => subject);

  const changes: readonly [string, (user: Json) => Promise<unknown>, (user: Json) => object][] = [
    [
      'a log-out',
      ({ refreshToken }) => one.post('/auth/logout', { refreshToken }),
      ({ sessionId }) => ({ kind: 'session', subject: sessionId }),
    ],
    [
      'a log-out everywhere',
      ({ accessToken }) => one.request('POST', '/auth/logout-all', { bearer: accessToken }),
      ({ id }) => ({ kind: 'user', subject: id, minVersion: 2 }),
    ],
    [
      'a deactivation',
      ({ id }) => asAdmin(one, 'PATCH', `/admin/users/${id}`, { isActive: false }),
      ({ id }) => ({ kind: 'user', subject: id, minVersion: 2 }),
    ],
    ['a rotation of the user', ({ id }) => rotateUser(one, id), ({ id }) => ({ kind: 'user', subject: id })],
  ];

  it.each(changes)('%s at one ends the wait at the other', async (_, change, expected) => {
    const account = await one.register();
    const user = { id: account.id, ...(await one.logIn(account)).body };
    const cursor = await upToDate(other);
    const waiting = poll(other, cursor, 20);
    await change(user);
    const { body } = await endedEarly(waiting);
    expect(body.snapshot).toBeNull();
    expect(body.revocations).toContainEqual(expect.objectContaining(expected(user)));
  });

  // Seen red with revocations alone: a rotation of all has none.
  it('a rotation of all ends the wait, although it revokes nobody by name', async () => {
    const { body: before } = await poll(other);
    const cursor = await upToDate(other);
    const waiting = poll(other, cursor, 20);
    await rotateAll(one, { mode: 'drain', gracePeriodSeconds: 60 });
    const { body } = await endedEarly(waiting);
    expect(body.policy).toEqual({
      version: Number(before.policy.version) + 1,
      mode: 'drain',
      graceEndsAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    // Whichever instance the next poll reaches: it has been answered once.
    await until(async () => (await poll(one, body.cursor, 0)).body.revocations.length === 0);
    expect((await poll(one, body.cursor, 1)).body.policy.version).toBe(body.policy.version);
  });

  it('has everything for a reader that asks one after the other, and never begins anew', async () => {
    let cursor = await upToDate(one);
    const ended: string[] = [];
    const heard = new Set<string>();
    for (let round = 0; round < 12; round++) {
      const account = await one.register();
      const { sessionId, refreshToken } = (await one.logIn(account)).body;
      await (round % 3 === 0 ? one : other).post('/auth/logout', { refreshToken });
      ended.push(sessionId);
      const { body } = await poll(round % 2 === 0 ? one : other, cursor, 2);
      expect(body.snapshot).toBeNull();
      for (const subject of subjects(body)) heard.add(subject);
      ({ cursor } = body);
    }
    await until(async () => {
      const { body } = await poll(other, cursor, 1);
      for (const subject of subjects(body)) heard.add(subject);
      ({ cursor } = body);
      return ended.every((session) => heard.has(session));
    });
  });

  // Seen red when the server is not compared: its numbers are beyond those of this one, and nothing was new for ever.
  it('does not take the horizon of another server for its own', async () => {
    const { sessionId, refreshToken } = (await one.logIn()).body;
    const cursor = await upToDate(one);
    await one.post('/auth/logout', { refreshToken });
    const [known, policy] = cursor.split('.').slice(-2);
    const foreign = `1.5.99999999.${known}.${policy}`;
    await until(async () => subjects((await poll(one, cursor, 1)).body).includes(sessionId));
    const { body } = await poll(one, foreign, 1);
    expect(body.snapshot).toEqual({ page: 1, pages: 1 });
    expect(subjects(body)).toContain(sessionId);
  });

  it('a place that is too old for the ring gets a snapshot', async () => {
    const [server, fraction] = (await upToDate(one)).split('.');
    const { body } = await poll(one, `${server}.${fraction}.1.0.1`, 1);
    expect(body.snapshot).toEqual({ page: 1, pages: 1 });
  });

  it('sends no statement for polls, however many there are', async () => {
    const cursor = await upToDate(one);
    const sent = await sentDuring(async () => {
      const polls = Array.from({ length: 60 }, (_, at) => poll(at % 2 === 0 ? one : other, cursor, at % 3));
      for (const { status } of await Promise.all(polls)) expect(status).toBe(200);
      await Promise.all(Array.from({ length: 20 }, () => poll(one)));
    });
    expect(sent.map(({ text }) => text).filter((text) => !text.includes('ratchet: revocation poll'))).toEqual([]);
  });
});

describe('An instance of the feed', () => {
  // Seen red when it answers whatever it has: a service would go on as if nothing had been ended.
  it('that cannot read answers 503, polls that wait included, and is right again at once', async () => {
    const app = await startTestApplication({ env: servicesEnv() });
    try {
      const cursor = await upToDate(app);
      const waiting = poll(app, cursor, 4);
      const restore = intercept(app, RevocationFeed, 'read', () => Promise.reject(new Error('the database is away')));
      const { status, headers, body } = await waiting;
      expect(status).toBe(503);
      expect(headers.get('Retry-After')).toBe('1');
      expect(body).toMatchObject({ code: 'unavailable', recovery: 'retry' });
      expect((await poll(app)).status).toBe(503);
      expect((await poll(app, cursor)).status).toBe(503);
      restore();
      await until(async () => (await poll(app, cursor)).status === 200);
      expect((await poll(app, cursor)).body.snapshot).toBeNull();
    } finally {
      await app.close();
    }
  });

  it('that ends answers every poll that waits, at once', async () => {
    const app = await startTestApplication({ env: servicesEnv() });
    const cursor = await upToDate(app);
    const answers = Promise.all(Array.from({ length: 5 }, () => poll(app, cursor, 20)));
    const { waiting } = app.app.get<{ waiting: Set<unknown> }>(RevocationPolls, { strict: false });
    await until(() => waiting.size === 5);
    await app.close();
    const answered = await answers;
    expect(answered.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  });

  it('without resource servers answers nobody', async () => {
    const { RESOURCE_SERVERS: _, ...env } = servicesEnv();
    const app = await startTestApplication({ env });
    try {
      expect((await poll(app)).status).toBe(401);
    } finally {
      await app.close();
    }
  });
});

describe('An instance of the feed, by its server,', () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ env: servicesEnv() });
  });
  afterAll(() => app.close());

  it.each([
    [0, null],
    [26_000, null],
    [25_000, /closes connections after 25000 ms.*set connectionTimeout of Fastify/],
    [5000, /closes connections after 5000 ms/],
  ])('does not start behind a server that cuts connections after %s ms', async (connectionTimeout, message) => {
    const httpAdapter = new FastifyAdapter({ connectionTimeout });
    const options = app.app.get(AuthOptions);
    const adapterHost = { httpAdapter } as unknown as HttpAdapterHost;
    const controller = new FeedController(
      app.app.get(RevocationPolls),
      app.app.get(RevocationView),
      options,
      adapterHost,
    );
    const start = () => controller.onApplicationBootstrap();
    if (message === null) expect(start).not.toThrow();
    else expect(start).toThrow(message);
  });
});

describe('A snapshot of many revocations', () => {
  const MANY = 60_000;

  // Seen red with pages that each instance divides by itself.
  it('has pages, and each instance has the next one of the other', async () => {
    const database = await freshDatabase();
    const env = servicesEnv();
    const filler = await database.connect(1);
    await filler.query(
      `INSERT INTO revocations (kind, subject_id, reason)
       SELECT 'session', gen_random_uuid(), 'user_logout' FROM generate_series(1, ${MANY})`,
    );
    const [one, other] = [await startTestApplication({ database, env }), await startTestApplication({ database, env })];
    try {
      const found = new Set<string>();
      /** An instance on a busy machine is out of date for a moment while it loads them. */
      const page = async (app: TestApplication, after?: string, wait = 0): Promise<Json> => {
        for (;;) {
          const { status, body } = await poll(app, after, wait);
          if (status === 200) return body;
        }
      };
      let answer = await page(one);
      const pages: unknown[] = [];
      let late = '';
      for (;;) {
        pages.push(answer.snapshot);
        expect(answer.revocations.length).toBeLessThanOrEqual(50_000);
        for (const { subject } of answer.revocations) found.add(subject);
        if (answer.snapshot.page === answer.snapshot.pages) break;
        // What is ended between the pages may be in none of them.
        const { sessionId, refreshToken } = (await one.logIn()).body;
        await one.post('/auth/logout', { refreshToken });
        late = sessionId;
        answer = await page(other, answer.cursor);
      }
      expect(pages).toEqual([
        { page: 1, pages: 2 },
        { page: 2, pages: 2 },
      ]);
      expect(found.size).toBeGreaterThanOrEqual(MANY);
      let { cursor } = answer;
      await until(async () => {
        const body = await page(other, cursor, 1);
        expect(body.snapshot).toBeNull();
        for (const { subject } of body.revocations) found.add(subject);
        ({ cursor } = body);
        return found.has(late);
      });
    } finally {
      await Promise.all([one.close(), other.close()]);
      await database.close();
    }
  }, 120_000);
});
