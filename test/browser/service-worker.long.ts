import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { describeInChromium, launchChromium } from '../support/chromium';
import { buildClients } from './build';
import { Front } from './front';

/** What functions that run in a page see. */
declare const window: Json;

/** As in docs/clients.md, but for the address of the package and of the guarded routes. */
function workerOfTheDocument(): string {
  const text = readFileSync(resolve(__dirname, '../../docs/clients.md'), 'utf8');
  const [, code = ''] = /```js\n\/\/ service-worker\.js\n([^]*?)```/.exec(text) ?? [];
  return code.replace(`'nest-ratchet/browser'`, `'/browser/index.mjs'`).replace(`'/api/'`, `'/auth/me'`);
}

describeInChromium('the service worker of docs/clients.md', () => {
  jest.setTimeout(60_000);

  let front: Front;
  let server: TestApplication;
  let browser: Browser;
  let tab: Page;

  beforeAll(async () => {
    front = new Front(new Map([...buildClients().scripts, ['/service-worker.js', workerOfTheDocument()]]));
    const origin = `http://127.0.0.1:${await front.listen()}`;
    server = await startTestApplication({ env: { PUBLIC_ORIGIN: origin } });
    front.target = server.url;
    browser = await launchChromium();
    tab = await browser.newPage();
    await tab.goto(`${origin}/?delivery=cookie`);
    await tab.evaluate(async () => {
      const { serviceWorker } = window.navigator;
      const controlled = new Promise((done) => (serviceWorker.oncontrollerchange = done));
      await serviceWorker.register('/service-worker.js', { type: 'module' });
      await controlled;
    });
  });
  afterAll(async () => {
    await browser.close();
    front.close();
    await server.close();
  });

  const call = (path: string, init: Json = {}): Promise<{ status: number; body: Json }> =>
    tab.evaluate(
      async ([path, init]) => {
        const response = await window.fetch(path, init);
        const text = await response.text();
        return { status: response.status, body: text && JSON.parse(text) };
      },
      [path, init],
    );

  it('signs in, adds the token to requests of every mode, refreshes after a restart, and logs out', async () => {
    const { email, password } = await server.register();
    const headers = { 'Content-Type': 'application/json' };
    const body = JSON.stringify({ email, password, delivery: 'cookie' });

    expect((await call('/auth/me')).status).toBe(401);
    const login = await call('/auth/login', { method: 'POST', headers, body });
    expect(login).toEqual({ status: 200, body: { sessionId: expect.any(String) } });
    const { sessionId } = login.body;
    expect(await call('/auth/me')).toMatchObject({ status: 200, body: { sessionId } });
    expect(await call('/auth/me', { mode: 'no-cors' })).toMatchObject({ status: 200, body: { sessionId } });

    await tab.evaluate(async () => {
      const cache = await window.caches.open('session');
      const held = await (await cache.match('/session')).json();
      await cache.put('/session', new window.Response(JSON.stringify({ ...held, accessToken: 'worn.out.token' })));
    });
    const cdp = await tab.context().newCDPSession(tab);
    await cdp.send('ServiceWorker.enable');
    await cdp.send('ServiceWorker.stopAllWorkers');
    expect(await call('/auth/me')).toMatchObject({ status: 200, body: { sessionId } });
    expect(front.refreshes).toHaveLength(1);

    expect((await call('/auth/logout', { method: 'POST' })).status).toBe(204);
    expect((await call('/auth/me')).status).toBe(401);
    expect(await tab.context().cookies()).toEqual([]);
    expect((await server.events({ sessionId })).map(({ type }) => type)).toContain('auth.logout.succeeded.v1');
  });
});
