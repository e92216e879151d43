import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request as forward, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import axe from 'axe-core';
import { buildSync } from 'esbuild';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { type Account, type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { describeInChromium, launchChromium } from '../support/chromium';
import { until } from '../support/until';

const ROOT = resolve(__dirname, '../..');
const EXAMPLES = join(ROOT, 'examples/devices');
const STRICT = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'";
const ROUTES = /^\/(auth|admin)\//;

/** The example for React as a bundler builds it, with Preact in React's place. */
function reactExample(): string {
  const { outputFiles } = buildSync({
    entryPoints: [join(EXAMPLES, 'react.tsx')],
    bundle: true,
    write: false,
    format: 'esm',
    jsx: 'automatic',
    nodePaths: [join(ROOT, 'node_modules')],
    alias: {
      react: 'preact/compat',
      'react-dom/client': 'preact/compat/client',
      'react/jsx-runtime': 'preact/jsx-runtime',
      'nest-ratchet/browser/devices': join(ROOT, 'dist/browser/devices.mjs'),
      'nest-ratchet/browser': join(ROOT, 'dist/browser/index.mjs'),
    },
  });
  return outputFiles[0]!.text;
}

/** The pages and the routes on one origin. */
async function serve(target: () => string): Promise<Server> {
  const react = reactExample();
  const page =
    '<!doctype html><html lang="en"><title>React</title><div id="root"></div><script type="module" src="/react.js"></script>';
  const server = createServer((request, response) => {
    const { url = '', method, headers } = request;
    const send = (type: string, text: string, more = {}) =>
      response.writeHead(200, { 'Content-Type': type, ...more }).end(text);
    if (ROUTES.test(url)) {
      const sent = forward(target() + url, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      });
      request.pipe(sent);
    } else if (url === '/') send('text/html; charset=utf-8', readFileSync(join(EXAMPLES, 'plain.html'), 'utf8'));
    else if (url === '/react') send('text/html; charset=utf-8', page, { 'Content-Security-Policy': STRICT });
    else if (url === '/react.js') send('text/javascript; charset=utf-8', react);
    else if (/^\/nest-ratchet\/[\w/.]+\.mjs$/.test(url))
      send('text/javascript', readFileSync(join(ROOT, 'dist', url.slice('/nest-ratchet/'.length)), 'utf8'));
    else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

describeInChromium('<ratchet-devices>', () => {
  jest.setTimeout(60_000);

  let app: TestApplication;
  let front: Server;
  let origin: string;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let account: Account & { id: string };
  let others: Json[];

  beforeAll(async () => {
    front = await serve(() => app.url);
    origin = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
    app = await startTestApplication({ env: { PUBLIC_ORIGIN: origin, SESSION_REAUTHENTICATION: '5m' } });
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser.close();
    front.close();
    front.closeAllConnections();
    await app.close();
  });

  beforeEach(async () => {
    account = await app.register();
    others = [];
    for (const deviceName of ['The phone', 'The tablet']) {
      others.push((await app.logIn(account, { deviceName })).body);
    }
    context = await browser.newContext();
    page = await context.newPage();
    page.setDefaultTimeout(15_000);
    await page.goto(origin);
    await page.getByLabel('E-mail').fill(account.email);
    await page.getByLabel('Password').fill(account.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('this device').waitFor();
  });

  afterEach(() => context.close());

  const isLive = async ({ accessToken }: Json) => (await app.get('/auth/me', accessToken)).status === 200;
  const devices = () => page.getByRole('listitem').count();

  it('lists the devices, the current one marked, and hinders nobody', async () => {
    expect(await devices()).toBe(3);
    expect(await page.getByRole('listitem').first().textContent()).toMatch(
      /This browserthis deviceLast used .* from 127\.0\.0\.1/,
    );
    await page.evaluate(axe.source);
    const violations: Json[] = await page.evaluate(
      'axe.run("ratchet-devices").then(({ violations }) => violations.map(({ id }) => id))',
    );
    expect(violations).toEqual([]);
  });

  it('renames one, and shows what hides in a name', async () => {
    await page.getByRole('button', { name: 'Rename The phone' }).click();
    await page.getByLabel('Name of the device').fill('Anna’s phone');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Anna’s phone').waitFor();
    await app.query('UPDATE sessions SET device_name = $2 WHERE id = $1', [others[0].sessionId, 'a\u202Eb']);
    await page.reload();
    await page.getByText('a⟨U+202E⟩b').waitFor();
  });

  it('signs one out, then all others, and itself last', async () => {
    await page.getByRole('button', { name: 'Sign out The phone' }).click();
    await until(async () => !(await isLive(others[0])));
    expect(await isLive(others[1])).toBe(true);
    await page.getByRole('button', { name: 'Sign out all other devices' }).click();
    await until(async () => !(await isLive(others[1])));
    await until(async () => (await devices()) === 1);
    await page.getByRole('button', { name: 'Sign out This browser' }).click();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    expect(await context.cookies()).toEqual([]);
  });

  it('asks for the password where the proof is too old', async () => {
    await app.query(`UPDATE sessions SET auth_time = now() - interval '1 hour' WHERE user_id = $1`, [account.id]);
    await page.evaluate(`(() => {
      const name = Object.keys(localStorage)[0];
      localStorage.setItem(name, JSON.stringify({ ...JSON.parse(localStorage.getItem(name)), dueAt: 0 }));
    })()`);
    await page.getByRole('button', { name: 'Sign out The phone' }).click();
    const password = page.locator('ratchet-devices').getByLabel('Password');
    await password.fill('not the passphrase');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('The password is wrong.').waitFor();
    expect(await isLive(others[0])).toBe(true);
    await password.fill(account.password);
    await page.getByRole('button', { name: 'Continue' }).click();
    await until(async () => !(await isLive(others[0])));
  });

  it("works in React's JSX under a strict Content-Security-Policy", async () => {
    const refused: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') refused.push(message.text());
    });
    await page.goto(`${origin}/react`);
    await page.getByRole('button', { name: 'Sign out everywhere else' }).waitFor();
    expect(await devices()).toBe(3);
    expect(await page.evaluate('getComputedStyle(document.querySelector("ratchet-devices")).display')).toBe('block');
    expect(refused.filter((text) => !text.includes('favicon'))).toEqual([]);
  });
});

it('the import does nothing on a server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ratchet-devices-'));
  try {
    const script = `import(${JSON.stringify(join(ROOT, 'dist/browser/devices.mjs'))}).then((all) => console.log(Object.keys(all).length))`;
    expect(execFileSync(process.execPath, ['-e', script], { cwd: folder, encoding: 'utf8' })).toBe('0\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
