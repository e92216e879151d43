import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core';
import { rowOf } from '../http/support/sessions';
import { type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { describeInChromium, launchChromium } from '../support/chromium';
import { Device } from '../support/dpop';
import { certificateForLocalhost } from '../support/network/certificate';
import { until } from '../support/until';
import { buildClients } from './build';
import { answered, Front, lostOnTheWayBack } from './front';

/** What functions that run in a page see. */
declare const window: Json;

const DBSC = [
  'DeviceBoundSessions:RequireOriginTrialTokens/false/RefreshQuota/false',
  'DeviceBoundSessionsDevTools',
  'EnableBoundSessionCredentialsSoftwareKeysForManualTesting',
].join(',');

const ACCESS = '__Host-access';
const REFRESH = '__Host-refresh';

describeInChromium('A session that Chromium has bound to its device', () => {
  jest.setTimeout(90_000);

  let front: Front;
  let origin: string;
  let server: TestApplication;
  let browser: Browser;
  let context: BrowserContext;
  /** What Chromium says about its bound sessions. */
  let events: Json[];

  beforeAll(async () => {
    const { spki, ...certificate } = await certificateForLocalhost();
    front = new Front(buildClients().scripts, certificate);
    origin = `https://localhost:${await front.listen()}`;
    server = await startTestApplication({ env: { PUBLIC_ORIGIN: origin, DBSC: 'on' } });
    front.target = server.url;
    browser = await launchChromium(`--enable-features=${DBSC}`, `--ignore-certificate-errors-spki-list=${spki}`);
  });
  afterAll(async () => {
    await browser.close();
    front.close();
    await server.close();
  });
  beforeEach(async () => {
    events = [];
    front.reset();
    context = await browser.newContext();
  });
  afterEach(() => context.close());

  async function open(within = context, seen = events): Promise<Page> {
    const tab = await within.newPage();
    const devTools: CDPSession = await within.newCDPSession(tab);
    await devTools.send('Network.enable');
    await devTools.send('Network.enableDeviceBoundSessions' as 'Network.enable', { enable: true } as never);
    devTools.on('Network.deviceBoundSessionEventOccurred' as never, (event: Json) => void seen.push(event));
    await tab.goto(`${origin}/?delivery=cookie`);
    return tab;
  }

  interface SignedIn {
    readonly sessionId: string;
    readonly account: { readonly email: string; readonly password: string };
  }

  async function signIn(tab: Page): Promise<SignedIn> {
    const account = await server.register();
    const { email, password } = account;
    const sessionId = await tab.evaluate(
      async (body) => {
        const headers = { 'Content-Type': 'application/json' };
        const response = await window.fetch('/auth/login', { method: 'POST', headers, body });
        const pair = await response.json();
        await window.session.start(pair);
        return pair.sessionId as string;
      },
      JSON.stringify({ email, password, delivery: 'cookie' }),
    );
    return { sessionId, account };
  }

  const created = () =>
    until(() => events.some(({ succeeded, creationEventDetails }) => succeeded && creationEventDetails !== undefined));
  /** Bound by Chromium, whose session with its cookie is there. */
  async function bound(tab: Page): Promise<SignedIn> {
    const signedIn = await signIn(tab);
    await created();
    return signedIn;
  }
  /** As when its time is over; the page's own token is gone, too. */
  const expire = (within = context) => within.clearCookies({ name: ACCESS });
  const cookie = async (name: string, within = context) =>
    (await within.cookies()).find((one) => one.name === name)?.value;
  const statusOfMe = (tab: Page): Promise<number> =>
    tab.evaluate(async () => (await window.session.fetch('/auth/me')).status as number);
  const renewals = () => front.refreshes.filter(({ path }) => path === '/auth/dbsc/refresh');

  it('registers its key after the login, and from then on sends the access token as a cookie, without a script', async () => {
    const tab = await open();
    const { sessionId } = await bound(tab);
    expect(await rowOf(server, sessionId)).toMatchObject({ generation: 0, binding: { kind: 'dbsc', id: sessionId } });
    expect(await cookie('__Host-bound')).toBe('1');
    expect(await tab.evaluate(() => window.session.accessToken())).toBeNull();
    expect(await statusOfMe(tab)).toBe(200);
    expect(front.refreshes).toEqual([]);
  });

  it('renews the cookie without a script, and the request that waited for it goes on', async () => {
    const tab = await open();
    const { sessionId } = await bound(tab);
    const [first, access] = [await cookie(REFRESH), await cookie(ACCESS)];
    await expire();
    expect(await statusOfMe(tab)).toBe(200);
    expect(await cookie(REFRESH)).not.toBe(first);
    expect(await cookie(ACCESS)).not.toBe(access);
    expect(await rowOf(server, sessionId)).toMatchObject({ generation: 1 });
    // With the challenge that came with the cookie: no second request for one.
    expect(renewals()).toHaveLength(1);
    expect(await tab.evaluate(() => window.signedOut)).toBe(0);
  });

  it('asks once more where its challenge is too old', async () => {
    const tab = await open();
    const { sessionId } = await bound(tab);
    front.fates = [
      async (refresh) => {
        // As the server answers a proof for an old challenge.
        refresh.headers['secure-session-response'] = '';
        await refresh.reachServer();
        expect(refresh.answer).toMatchObject({ status: 403 });
        refresh.deliver();
      },
    ];
    await expire();
    expect(await statusOfMe(tab)).toBe(200);
    expect(await rowOf(server, sessionId)).toMatchObject({ generation: 1 });
  });

  it('gets the same successor again when an answer is lost', async () => {
    const tab = await open();
    const { sessionId } = await bound(tab);
    front.fates = [lostOnTheWayBack];
    await expire();
    await until(async () => (await statusOfMe(tab)) === 200);
    expect(await rowOf(server, sessionId)).toMatchObject({ generation: 1, revoked_at: null });
    expect(new Set(renewals().map(({ successor }) => successor)).size).toBe(1);
  });

  it('outlives a server that cannot answer', async () => {
    const tab = await open();
    const { sessionId } = await bound(tab);
    front.fates = [answered(503, { 'Retry-After': '1' }), answered(503, { 'Retry-After': '1' })];
    await expire();
    await until(async () => (await statusOfMe(tab)) === 200);
    expect(await rowOf(server, sessionId)).toMatchObject({ generation: 1, revoked_at: null });
    expect(await tab.evaluate(() => window.signedOut)).toBe(0);
  });

  it('holds 20 requests of each of two tabs until there is one new cookie for all', async () => {
    const tabs = [await open(), await open()];
    const { sessionId } = await bound(tabs[0]!);
    await expire();
    const statuses = await Promise.all(
      tabs.map((tab) =>
        tab.evaluate(() =>
          Promise.all(Array.from({ length: 20 }, async () => (await window.fetch('/auth/me')).status as number)),
        ),
      ),
    );
    expect(new Set(statuses.flat())).toEqual(new Set([200]));
    const { generation, revoked_at } = await rowOf(server, sessionId);
    expect(revoked_at).toBeNull();
    expect(generation).toBeGreaterThanOrEqual(1);
    for (const tab of tabs) expect(await tab.evaluate(() => window.signedOut)).toBe(0);
  });

  it('is refused to a browser that has the stolen cookies, at its first refresh, and the owner stays signed in', async () => {
    const tab = await open();
    const { sessionId } = await bound(tab);
    const jar = await context.cookies();
    const storage: [string, string][] = await tab.evaluate(() => Object.entries(window.localStorage));
    const elsewhere = await browser.newContext();
    try {
      await elsewhere.addCookies(jar.filter(({ name }) => name !== ACCESS && name !== '__Host-bound'));
      const thief = await open(elsewhere, []);
      await thief.evaluate(
        (items) => items.forEach(([name, value]) => window.localStorage.setItem(name, value)),
        storage,
      );
      expect(await thief.evaluate(() => window.session.refresh())).toBeNull();
      const direct = await thief.evaluate(async (id) => {
        const headers = { 'Sec-Secure-Session-Id': id };
        return (await window.fetch('/auth/refresh', { method: 'POST', headers, body: '{}' })).status as number;
      }, sessionId);
      expect([400, 401, 415]).toContain(direct);
    } finally {
      await elsewhere.close();
    }
    expect(await rowOf(server, sessionId)).toMatchObject({ generation: 0, revoked_at: null });
    await expire();
    expect(await statusOfMe(tab)).toBe(200);
    expect(await rowOf(server, sessionId)).toMatchObject({ generation: 1, revoked_at: null });
  });

  it('ends when a thief of the login has registered a key of their own first', async () => {
    // The registration of the owner is on its way while the thief's arrives.
    const tab = await open();
    const thief = new Device();
    let invitation: { challenge: string; authorization: string } | undefined;
    front.beforeDelivery = ({ headers }) => {
      const found = /challenge="([^"]+)";authorization="([^"]+)"/.exec(String(headers['secure-session-registration']));
      if (found) invitation ??= { challenge: found[1]!, authorization: found[2]! };
    };
    front.onRegistration = async () => {
      const token = await cookie(REFRESH);
      const answer = await server.request('POST', '/auth/dbsc/register', {
        headers: {
          Origin: origin,
          Cookie: `${REFRESH}=${token}`,
          'Secure-Session-Response': thief.registration(invitation!),
        },
      });
      expect(answer.status).toBe(200);
    };
    const { sessionId } = await signIn(tab);
    await until(async () => (await rowOf(server, sessionId)).revoked_at !== null);
    expect(await rowOf(server, sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
    const trail = await server.events({ sessionId });
    expect(trail.find(({ type }) => type === 'auth.token.reuse_detected.v1')?.details).toMatchObject({
      reuseClass: 'other_key',
    });
  });

  it('is over after the log-out: the cookies are gone, and the browser renews nothing', async () => {
    const tab = await open();
    const { sessionId } = await bound(tab);
    await tab.evaluate(() => window.session.end());
    expect(await rowOf(server, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
    for (const name of [ACCESS, REFRESH, '__Host-bound']) expect(await cookie(name)).toBeUndefined();
    expect(await statusOfMe(tab)).toBe(401);
    expect((await rowOf(server, sessionId)).generation).toBe(0);
  });

  it('proves the password again by the cookie, and goes on as a bound session', async () => {
    const tab = await open();
    const { sessionId, account } = await bound(tab);
    const token = await tab.evaluate((password) => window.session.reauthenticate(password), account.password);
    expect(token).not.toBeNull();
    expect(await rowOf(server, sessionId)).toMatchObject({ generation: 1, binding: { kind: 'dbsc' } });
    await expire();
    expect(await statusOfMe(tab)).toBe(200);
    expect(await rowOf(server, sessionId)).toMatchObject({ generation: 2 });
  });

  it('goes on with the key after a change of the password, and without it where the server has lost the binding', async () => {
    const tab = await open();
    const { sessionId, account } = await bound(tab);
    const next = await tab.evaluate(async (currentPassword) => {
      const body = JSON.stringify({ currentPassword, newPassword: 'another long passphrase' });
      const headers = { 'Content-Type': 'application/json' };
      const response = await window.session.fetch('/auth/password', { method: 'POST', headers, body });
      const pair = await response.json();
      await window.session.start(pair);
      return pair.sessionId as string;
    }, account.password);
    expect(next).not.toBe(sessionId);
    expect(await tab.evaluate(async () => (await window.fetch('/auth/me')).status as number)).toBe(200);
    expect(await rowOf(server, next)).toMatchObject({ generation: 1, binding: { kind: 'dbsc', id: sessionId } });

    await server.query('UPDATE sessions SET binding = NULL WHERE id = $1', [next]);
    await expire();
    await tab.evaluate(() => window.fetch('/auth/me'));
    expect(await cookie('__Host-bound')).toBeUndefined();
    expect(await tab.evaluate(() => window.session.refresh())).not.toBeNull();
    expect(await statusOfMe(tab)).toBe(200);
    expect(await rowOf(server, next)).toMatchObject({ generation: 2, revoked_at: null });
  });
});
