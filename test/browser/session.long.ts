import { decodeJwt } from 'jose';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { AdapterName } from '../support/adapters';
import { type Account, type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { describeInChromium, launchChromium } from '../support/chromium';
import { buildClients } from './build';
import { answered, Front, held, lostInTheMiddle, lostOnTheWayBack, lostOnTheWayThere } from './front';

/** What functions that run in a page see. */
declare const window: Json;

/** Not `localhost` and not https: a browser offers no Web Locks there. */
const INSECURE_HOST = 'app.test';
const DELIVERIES = ['body', 'cookie'] as const;
type Delivery = (typeof DELIVERIES)[number];
const PLACES = { body: 'the body', cookie: 'a cookie' };

// Seen red: a key made for each request, no lock, no objection to who asks for the lock, a wait for a holder that was
// closed, a refusal or an answer that replaces a newer login, an answer of any session taken, Retry-After ignored.
describeInChromium('the client in a browser', () => {
  jest.setTimeout(60_000);

  let front: Front;
  let secure: string;
  let insecure: string;
  let server: TestApplication;
  let browser: Browser;
  let context: BrowserContext;

  beforeAll(async () => {
    front = new Front(buildClients().scripts);
    const port = await front.listen();
    secure = `http://127.0.0.1:${port}`;
    insecure = `http://${INSECURE_HOST}:${port}`;
    browser = await launchChromium(`--host-resolver-rules=MAP ${INSECURE_HOST} 127.0.0.1`);
  });

  afterAll(async () => {
    await browser.close();
    front.close();
  });

  beforeEach(async () => {
    context = await browser.newContext();
    await context.addInitScript(skipPauses);
  });

  afterEach(async () => {
    await context.close();
    front.reset();
  });

  /** Behind the front, which has pages of two origins. */
  async function serve(env: Record<string, string>, adapter: AdapterName = 'fastify'): Promise<void> {
    server = await startTestApplication({ adapter, env: { PUBLIC_ORIGIN: secure, CORS_ORIGINS: insecure, ...env } });
    front.target = server.url;
  }

  async function open(delivery: Delivery, origin = secure): Promise<Page> {
    const tab = await context.newPage();
    await tab.goto(`${origin}/?delivery=${delivery}`);
    return tab;
  }

  async function fourTabs(delivery: Delivery, origin: string): Promise<[Page, Page, Page, Page]> {
    const tab = () => open(delivery, origin);
    return [await tab(), await tab(), await tab(), await tab()];
  }

  /** A login from the page, as an application does it; `expiresIn: 0` makes a refresh due. */
  async function signIn(tab: Page, delivery: Delivery, claim: { expiresIn?: number; accessToken?: string } = {}) {
    const account = await server.register();
    const pair = await logIn(tab, account, delivery);
    await start(tab, { ...pair, ...claim });
    return { ...account, pair };
  }

  const logIn = (tab: Page, { email, password }: Account, delivery: Delivery): Promise<Json> =>
    tab.evaluate(async (body) => {
      const headers = { 'Content-Type': 'application/json' };
      return (await fetch('/auth/login', { method: 'POST', headers, body })).json();
    }, JSON.stringify({ email, password, delivery }));

  const start = (tab: Page, pair: Json): Promise<void> => tab.evaluate((given) => window.session.start(given), pair);
  const refresh = (tab: Page): Promise<string | null> => tab.evaluate(() => window.session.refresh());
  const accessToken = (tab: Page): Promise<string | null> => tab.evaluate(() => window.session.accessToken());
  const end = (tab: Page): Promise<void> => tab.evaluate(() => window.session.end());

  /** The name of the error, and what it asks for. */
  const failureOf = (tab: Page, method: 'accessToken' | 'refresh' | 'end'): Promise<Json> =>
    tab.evaluate(
      (name) =>
        window.session[name]().then(
          () => null,
          ({ name, message, retryAfter }: Json) => ({ name, message, retryAfter }),
        ),
      method,
    );

  /** A guarded route, through the helper. */
  const call = (tab: Page, path: string, init: Json = {}): Promise<{ status: number; body: Json }> =>
    tab.evaluate(
      async ([path, init]) => {
        const response = await window.session.fetch(path, init);
        return { status: response.status, body: await response.json() };
      },
      [path, init],
    );

  const pauses = (tab: Page): Promise<number[]> => tab.evaluate(() => window.pauses);
  const timesSignedOut = (tab: Page): Promise<number> => tab.evaluate(() => window.signedOut);
  const noticed = (tab: Page) => tab.waitForFunction(() => window.signedOut === 1 && window.session.current === null);

  /** Answers a wait until some tab has asked for the lock and not got it. */
  async function waitingTab(witness: Page): Promise<() => Promise<unknown>> {
    await witness.evaluate(() => {
      const { BroadcastChannel, location } = window;
      new BroadcastChannel(`ratchet:${location.origin}/auth/refresh`).onmessage = ({ data }: Json) =>
        (window.refused ||= data[0] === 'no');
    });
    return () =>
      witness.waitForFunction(async () => {
        const locks = await window.navigator.locks?.query();
        return window.refused || locks?.pending.length > 0;
      });
  }

  async function expectSignedIn(tab: Page, sessionId: string): Promise<void> {
    expect(await call(tab, '/auth/me')).toMatchObject({ status: 200, body: { sessionId } });
    expect(await timesSignedOut(tab)).toBe(0);
    const types = (await server.events({ sessionId })).map(({ type }) => type);
    expect(types).not.toContain('auth.token.reuse_detected.v1');
    expect(types).not.toContain('auth.session.revoked.v1');
  }

  const generationOf = async (sessionId: string): Promise<number> =>
    (await server.query('SELECT generation FROM sessions WHERE id = $1', [sessionId]))[0].generation;

  // Without a replay window the key alone keeps a client signed in whose answer was lost.
  // The adapters differ in how they read and set a cookie; whether a page has locks is nothing to them.
  describe.each([
    ['fastify', DELIVERIES, ['secure', 'insecure']],
    ['express', ['cookie'], ['secure']],
  ] as const)('on %s, with no replay window', (adapter, deliveries, kinds) => {
    beforeAll(() => serve({ REFRESH_REPLAY_WINDOW: '0s' }, adapter));
    afterAll(() => server.close());

    describe.each(
      kinds.flatMap((kind) =>
        deliveries.map((delivery) => [PLACES[delivery], kind === 'secure' ? '' : 'no ', delivery, kind] as const),
      ),
    )('the token in %s, %sWeb Locks', (_place, _locks, delivery, kind) => {
      const originOf = () => (kind === 'secure' ? secure : insecure);

      it('four tabs whose token is due refresh it once, and all go on with the same one', async () => {
        const tabs = await fourTabs(delivery, originOf());
        expect(await tabs[0].evaluate(() => 'locks' in window.navigator)).toBe(kind === 'secure');
        const { pair } = await signIn(tabs[0], delivery, { expiresIn: 0 });
        const first = held();
        front.fates.push(first.fate);

        const asked = tabs.map(accessToken);
        await first.reached;
        // What each tab did when it was asked is done by the time that it answers something else.
        await Promise.all(tabs.map((tab) => tab.evaluate('0')));
        first.release();
        const tokens = await Promise.all(asked);

        expect(new Set(tokens).size).toBe(1);
        expect(tokens[0]).not.toBe(pair.accessToken);
        expect(front.refreshes).toHaveLength(1);
        expect(await generationOf(pair.sessionId)).toBe(1);
        for (const tab of tabs) await expectSignedIn(tab, pair.sessionId);
      });

      it('four tabs that insist on refreshing do so one at a time, and end with the same newest token', async () => {
        const tabs = await fourTabs(delivery, originOf());
        const { pair } = await signIn(tabs[0], delivery);
        const rounds = 5;

        for (let round = 0; round < rounds; round++) await Promise.all(tabs.map(refresh));

        expect(front.mostAtOnce).toBe(1);
        expect(front.refreshes.length).toBeGreaterThanOrEqual(rounds);
        expect(new Set(front.refreshes.map(({ key }) => key)).size).toBe(front.refreshes.length);
        expect(front.refreshes.map(({ answer }) => answer?.status)).not.toContain(401);
        expect(await generationOf(pair.sessionId)).toBe(front.refreshes.length);
        expect(new Set(await Promise.all(tabs.map(accessToken))).size).toBe(1);
        for (const tab of tabs) await expectSignedIn(tab, pair.sessionId);
      });

      it('a user whose answers are cut on the wire stays signed in', async () => {
        const tab = await open(delivery, originOf());
        const { pair } = await signIn(tab, delivery);
        front.fates.push(lostOnTheWayThere, lostOnTheWayBack, lostOnTheWayBack, lostInTheMiddle);

        const token = await refresh(tab);

        expect(front.refreshes).toHaveLength(5);
        expect(new Set(front.refreshes.map(({ key }) => key)).size).toBe(1);
        expect(front.refreshes[2]!.successor).toBe(front.refreshes[1]!.successor);
        // A cookie arrives with the headers: after half an answer the browser has it, and goes on from there.
        expect(await generationOf(pair.sessionId)).toBe(delivery === 'cookie' ? 2 : 1);
        expect(await accessToken(tab)).toBe(token);
        await expectSignedIn(tab, pair.sessionId);

        await refresh(tab);
        expect(front.refreshes[5]!.key).not.toBe(front.refreshes[0]!.key);
        await expectSignedIn(tab, pair.sessionId);
      });

      it('a tab closed in mid-refresh is continued by the next one, with its key and to the identical successor', async () => {
        const [closed, next, witness] = await fourTabs(delivery, originOf());
        const { pair } = await signIn(closed, delivery);
        const waiting = await waitingTab(witness);
        const lost = held();
        front.fates.push(lost.fate);

        void refresh(closed).catch(() => undefined);
        await lost.reached;
        const token = refresh(next);
        await waiting();
        await closed.close();

        expect(await token).not.toBe(pair.accessToken);
        lost.release();
        const [cut, continued] = front.refreshes;
        expect(front.refreshes).toHaveLength(2);
        expect(continued!.key).toBe(cut!.key);
        expect(continued!.successor).toBe(cut!.successor);
        expect(await generationOf(pair.sessionId)).toBe(1);
        await expectSignedIn(next, pair.sessionId);
        await refresh(next);
        await expectSignedIn(next, pair.sessionId);
      });
    });

    describe.each(deliveries)('%s delivery', (delivery) => {
      it('a refused session is forgotten, and every tab notices', async () => {
        const [tab, other] = await fourTabs(delivery, secure);
        const { pair } = await signIn(tab, delivery);
        await server.request('POST', '/auth/logout', { bearer: pair.accessToken, body: {} });

        expect(await refresh(tab)).toBeNull();
        await noticed(tab);
        await noticed(other);
        expect(await accessToken(other)).toBeNull();
        expect(front.refreshes).toHaveLength(1);
      });

      it('a late refusal does not wipe a newer login', async () => {
        const [tab, other] = await fourTabs(delivery, secure);
        const { pair, ...account } = await signIn(tab, delivery);
        await server.request('POST', '/auth/logout', { bearer: pair.accessToken, body: {} });
        const late = held();
        front.fates.push(late.fate);

        const token = refresh(tab);
        await late.reached;
        const newer = await logIn(other, account, delivery);
        await start(other, newer);
        late.release();

        expect(await token).toBe(newer.accessToken);
        expect(front.refreshes[0]!.answer?.status).toBe(401);
        for (const each of [tab, other]) await expectSignedIn(each, newer.sessionId);
        await refresh(tab);
        await expectSignedIn(tab, newer.sessionId);
      });

      it('a late answer does not replace a newer login', async () => {
        const [tab, other] = await fourTabs(delivery, secure);
        const account = await signIn(tab, delivery);
        const late = held();
        front.fates.push(late.fate);

        const token = refresh(tab);
        await late.reached;
        const newer = await logIn(other, account, delivery);
        await start(other, newer);
        late.release();

        expect(await token).toBe(newer.accessToken);
        expect(await accessToken(other)).toBe(newer.accessToken);
      });

      it('a log-out ends the session on the server and in every tab', async () => {
        const [tab, other] = await fourTabs(delivery, secure);
        const { pair } = await signIn(tab, delivery);

        await end(tab);

        await noticed(tab);
        await noticed(other);
        expect(await accessToken(other)).toBeNull();
        expect((await server.get('/auth/me', pair.accessToken)).status).toBe(401);
        expect(await context.cookies()).toEqual([]);
        expect(await tab.evaluate(() => window.localStorage.length)).toBe(0);
        await end(other);
      });

      it('a password is proved by the same rule, whatever is lost, and a wrong one keeps the session', async () => {
        const tab = await open(delivery);
        const { password, pair } = await signIn(tab, delivery);
        await server.query(`UPDATE sessions SET auth_time = now() - interval '1 hour' WHERE id = $1`, [pair.sessionId]);
        const prove = (given: string): Promise<Json> =>
          tab.evaluate(
            (word) =>
              window.session.reauthenticate(word).then(
                (token: string) => ({ token }),
                ({ name }: Json) => ({ name }),
              ),
            given,
          );
        expect(await prove('not the passphrase')).toEqual({ name: 'WrongPassword' });
        expect(await prove('')).toEqual({ name: 'Error' });
        expect(await generationOf(pair.sessionId)).toBe(0);
        front.fates.push(lostOnTheWayThere, lostOnTheWayBack, lostInTheMiddle);

        const { token } = await prove(password);

        expect(front.refreshes).toHaveLength(6);
        expect(new Set(front.refreshes.map(({ key }) => key)).size).toBe(1);
        const { auth_time, iat } = decodeJwt(token);
        expect(iat! - (auth_time as number)).toBeLessThan(60);
        expect(await accessToken(tab)).toBe(token);
        // As above: with the cookie the browser goes on from half an answer.
        expect(await generationOf(pair.sessionId)).toBe(delivery === 'cookie' ? 2 : 1);
        await expectSignedIn(tab, pair.sessionId);
      });

      it('a session outlives an outage: the next call continues the same refresh', async () => {
        const tab = await open(delivery);
        const { pair } = await signIn(tab, delivery);
        front.fates.push(...Array.from({ length: 20 }, () => lostOnTheWayBack));

        expect(await failureOf(tab, 'refresh')).toMatchObject({ name: 'Unavailable', retryAfter: 0 });
        const tries = front.refreshes.length;
        const waited = await pauses(tab);
        // Chromium sends a request again by itself when the connection that it had kept for it is cut.
        expect([waited.length + 1, waited.length + 2]).toContain(tries);
        expect(tries).toBeGreaterThan(4);
        waited.forEach((pause, n) => {
          expect(pause).toBeGreaterThanOrEqual(500 * 2 ** n);
          expect(pause).toBeLessThanOrEqual(750 * 2 ** n);
        });
        expect(waited.reduce((sum, pause) => sum + pause)).toBeLessThanOrEqual(30_000);

        front.fates = [];
        await refresh(tab);
        expect(new Set(front.refreshes.map(({ key }) => key)).size).toBe(1);
        expect(front.refreshes.at(-1)!.successor).toBe(front.refreshes[0]!.successor);
        await expectSignedIn(tab, pair.sessionId);
      });
    });

    it('a page knows its session at once, and every tab notices a login', async () => {
      const [tab, other] = await fourTabs('body', secure);
      const current = (page: Page) => page.evaluate(() => window.session.current);
      expect(await current(tab)).toBeNull();
      const { pair } = await signIn(tab, 'body');
      await other.waitForFunction(() => window.session.current !== null);
      expect(await current(other)).toEqual({ sessionId: pair.sessionId });
      await tab.reload();
      expect(await tab.evaluate(() => window.atOnce)).toEqual({ sessionId: pair.sessionId });
    });

    it('with the token in a cookie, no script reads it', async () => {
      const tab = await open('cookie');
      await signIn(tab, 'cookie');
      await refresh(tab);
      expect(await context.cookies()).toMatchObject([{ value: expect.stringMatching(/^rt1_/), httpOnly: true }]);
      expect(await tab.evaluate(() => JSON.stringify([window.localStorage, window.document.cookie]))).not.toContain(
        'rt1_',
      );
    });

    it('a cookie that the browser has dropped means signed out', async () => {
      const tab = await open('cookie');
      await signIn(tab, 'cookie');
      await context.clearCookies();
      expect(await refresh(tab)).toBeNull();
      await noticed(tab);
    });

    it("another session's cookie does not make the page somebody else", async () => {
      const tab = await open('cookie');
      await signIn(tab, 'cookie');
      await logIn(tab, await server.register(), 'cookie');
      expect(await refresh(tab)).toBeNull();
      await noticed(tab);
    });
  });

  describe('with no replay window', () => {
    beforeAll(() => serve({ REFRESH_REPLAY_WINDOW: '0s' }));
    afterAll(() => server.close());

    it.each([429, 503])('after %i it waits as long as it is asked to, and sends the same key again', async (status) => {
      const tab = await open('body');
      const { pair } = await signIn(tab, 'body');
      front.fates.push(answered(status, { 'Retry-After': '3' }), answered(status));

      await refresh(tab);

      const [asked, own] = await pauses(tab);
      expect(asked).toBeGreaterThanOrEqual(3000);
      expect(asked).toBeLessThanOrEqual(4500);
      expect(own).toBeGreaterThanOrEqual(1000);
      expect(own).toBeLessThanOrEqual(1500);
      expect(new Set(front.refreshes.map(({ key }) => key)).size).toBe(1);
      await expectSignedIn(tab, pair.sessionId);
    });

    it('it does not wait for longer than its patience', async () => {
      const tab = await open('body');
      const { pair } = await signIn(tab, 'body');
      front.fates.push(answered(503, { 'Retry-After': '60' }));

      expect(await failureOf(tab, 'refresh')).toMatchObject({ name: 'Unavailable', retryAfter: 60 });
      expect(await pauses(tab)).toEqual([]);
      await expectSignedIn(tab, pair.sessionId);
    });

    it('an answer that is neither success nor refusal is an error, and the session stays', async () => {
      const tab = await open('body');
      const { pair } = await signIn(tab, 'body');
      // Not ours: a gateway that refuses says nothing of the session.
      front.fates.push(answered(404), answered(401));

      const failure = { name: 'Error', message: expect.stringContaining('/auth/refresh answered 40') };
      expect(await failureOf(tab, 'refresh')).toMatchObject(failure);
      expect(await failureOf(tab, 'refresh')).toMatchObject(failure);
      await expectSignedIn(tab, pair.sessionId);
    });

    it('a log-out that does not reach the server keeps the session', async () => {
      const tab = await open('body');
      const { pair } = await signIn(tab, 'body');
      await context.setOffline(true);
      expect(await failureOf(tab, 'end')).toMatchObject({ name: 'Unavailable' });
      await context.setOffline(false);
      await expectSignedIn(tab, pair.sessionId);
    });

    it('a request whose access token is refused is sent again, whole, with a newer one', async () => {
      const tab = await open('body');
      const { password, pair } = await signIn(tab, 'body', { accessToken: 'worn.out.token' });

      const { status, body } = await call(tab, '/auth/password', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ currentPassword: password, newPassword: 'another long passphrase' }),
      });

      expect(status).toBe(200);
      expect(front.refreshes).toHaveLength(1);
      expect(body.sessionId).not.toBe(pair.sessionId);
      await start(tab, body);
      await expectSignedIn(tab, body.sessionId);
    });

    it.each([
      ['a request that is refused once more is answered so, after one refresh', 'Bearer error="invalid_token"', 1],
      ['a refusal that is not about the token refreshes nothing', 'Bearer error="insufficient_scope"', 0],
    ])('%s', async (_, challenge, refreshes) => {
      const tab = await open('body');
      await signIn(tab, 'body');
      await tab.route('**/closed', (route) =>
        route.fulfill({ status: 401, headers: { 'WWW-Authenticate': challenge }, json: 'no' }),
      );
      expect(await call(tab, '/closed')).toEqual({ status: 401, body: 'no' });
      expect(front.refreshes).toHaveLength(refreshes);
    });

    // Seen red: with the challenge alone, a page whose service does not expose it was never refreshed.
    it.each([
      [
        'a refusal of another origin, whose challenge cannot be read, is tried once with a refresh',
        'https://api.example',
        1,
      ],
      ['a refusal without a challenge of the page’s own origin refreshes nothing', '', 0],
    ])('%s', async (_, origin, refreshes) => {
      const tab = await open('body');
      await signIn(tab, 'body');
      await tab.route('**/closed', (route) =>
        route.fulfill({
          status: 401,
          headers: {
            'Access-Control-Allow-Origin': '*',
            'Access-Control-Allow-Headers': 'Authorization',
            ...(origin !== '' && { 'WWW-Authenticate': 'Bearer error="invalid_token"' }),
          },
          json: 'no',
        }),
      );
      expect(await call(tab, `${origin}/closed`)).toEqual({ status: 401, body: 'no' });
      expect(front.refreshes).toHaveLength(refreshes);
    });

    it('another store takes the place of localStorage', async () => {
      const tab = await open('body');
      await tab.evaluate(() => {
        const { createSession, sessionStorage } = window;
        window.session = createSession({
          refreshUrl: '/auth/refresh',
          delivery: 'body',
          store: {
            read: async () => sessionStorage.getItem('mine'),
            write: async (text: string | null) =>
              text === null ? sessionStorage.removeItem('mine') : sessionStorage.setItem('mine', text),
          },
        });
      });
      const { pair } = await signIn(tab, 'body');
      front.fates.push(lostOnTheWayBack);

      await refresh(tab);

      expect(new Set(front.refreshes.map(({ key }) => key)).size).toBe(1);
      await expectSignedIn(tab, pair.sessionId);
      expect(await tab.evaluate(() => window.localStorage.length)).toBe(0);
    });
  });

  describe('with a replay window', () => {
    beforeAll(() => serve({}));
    afterAll(() => server.close());

    it('a tab that was told to read its store again takes the newer token that it finds', async () => {
      const [tab, other] = await fourTabs('body', secure);
      const { pair } = await signIn(tab, 'body');
      let rival: Json;
      front.fates.push(async (refresh) => {
        rival = (await server.refresh(pair.refreshToken, 'the-key-of-another-tab-in-a-hurry')).body;
        await start(other, rival);
        (await refresh.reachServer()).deliver();
      });

      expect(await refresh(tab)).toBe(rival.accessToken);

      const [{ answer }] = front.refreshes as [(typeof front.refreshes)[number]];
      expect(answer).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
      expect(JSON.parse(String(answer!.body))).toMatchObject({ code: 'replay_refused', recovery: 'retry' });
      expect(await pauses(tab)).toEqual([]);
      expect(await generationOf(pair.sessionId)).toBe(1);
      await expectSignedIn(tab, pair.sessionId);
    });
  });
});

/** Runs in every page: the pause before a retry has passed at once, and `pauses` says how long it was. */
function skipPauses(): void {
  const { setTimeout, Date } = window;
  const now = Date.now;
  const pauses: number[] = [];
  window.pauses = pauses;
  Date.now = () => pauses.reduce<number>((sum, pause) => sum + pause, now());
  window.setTimeout = (done: () => void, pause: number) => {
    // The limit of a request is a whole number; a pause has a jitter.
    if (pause < 500 || pause % 1 === 0) return setTimeout(done, pause);
    pauses.push(pause);
    return setTimeout(done);
  };
}
