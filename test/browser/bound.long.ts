import type { Browser, BrowserContext, Page } from 'playwright-core';
import { rowOf } from '../http/support/sessions';
import { type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { describeInChromium, launchChromium } from '../support/chromium';
import { buildClients } from './build';
import { Front } from './front';

/** What functions that run in a page see. */
declare const window: Json;

describeInChromium('a bound session in a browser', () => {
  jest.setTimeout(60_000);

  let front: Front;
  let origin: string;
  let server: TestApplication;
  let browser: Browser;
  let context: BrowserContext;

  beforeAll(async () => {
    front = new Front(buildClients().scripts);
    origin = `http://127.0.0.1:${await front.listen()}`;
    server = await startTestApplication({ env: { PUBLIC_ORIGIN: origin, DPOP: 'all' } });
    front.target = server.url;
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    front.close();
    await server.close();
  });
  beforeEach(async () => {
    context = await browser.newContext();
  });
  afterEach(() => context.close());

  async function open(within = context): Promise<Page> {
    const tab = await within.newPage();
    await tab.goto(`${origin}/?delivery=body`);
    await tab.evaluate(() => {
      const { createSession } = window;
      window.session = createSession({ refreshUrl: '/auth/refresh', delivery: 'body', binding: 'dpop' });
    });
    return tab;
  }

  async function signIn(tab: Page): Promise<string> {
    const { email, password } = await server.register();
    return tab.evaluate(async (body) => {
      const headers = { 'Content-Type': 'application/json' };
      const response = await window.session.bind('/auth/login', { method: 'POST', headers, body });
      const pair = await response.json();
      await window.session.start(pair);
      return pair.sessionId as string;
    }, JSON.stringify({ email, password }));
  }

  const refresh = (tab: Page): Promise<string | null> => tab.evaluate(() => window.session.refresh());

  it('is refreshed by every tab with the one key of the origin, which no script can read', async () => {
    const [one, other] = [await open(), await open()];
    const sessionId = await signIn(one);
    expect(await rowOf(server, sessionId)).toMatchObject({ binding: { kind: 'dpop' } });
    for (const tab of [one, other, one]) expect(await refresh(tab)).not.toBeNull();
    const answer = await other.evaluate(async () => {
      const response = await window.session.fetch('/auth/me');
      return { status: response.status, body: await response.json() };
    });
    expect(answer).toMatchObject({ status: 200, body: { sessionId } });

    const read = await one.evaluate(
      () =>
        new Promise<string>((resolve) => {
          const opening = window.indexedDB.open('ratchet');
          opening.onsuccess = () => {
            const found = opening.result.transaction('keys').objectStore('keys').get('dpop');
            found.onsuccess = () =>
              window.crypto.subtle.exportKey('jwk', found.result.privateKey).then(
                () => resolve('read'),
                ({ name }: { name: string }) => resolve(name),
              );
          };
        }),
    );
    expect(read).toBe('InvalidAccessError');
  });

  it('is nothing to somebody who copies the storage of the page', async () => {
    const tab = await open();
    const sessionId = await signIn(tab);
    const copied: [string, string][] = await tab.evaluate(() => Object.entries(window.localStorage));
    const elsewhere = await browser.newContext();
    try {
      const thief = await open(elsewhere);
      await thief.evaluate(
        (entries) => entries.forEach(([name, value]) => window.localStorage.setItem(name, value)),
        copied,
      );
      expect(await refresh(thief)).toBeNull();
    } finally {
      await elsewhere.close();
    }
    expect(await rowOf(server, sessionId)).toMatchObject({ generation: 0, revoked_at: null });
    expect(await refresh(tab)).not.toBeNull();
  });
});
