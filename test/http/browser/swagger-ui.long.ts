import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { describeInChromium, launchChromium } from '../../support/chromium';

const SCREENSHOT = resolve(__dirname, '../../../artefacts/swagger-ui.png');

// The built application: only the build knows the whole document, and only the page shows whether people can use it.
describeInChromium('Swagger UI in a browser', () => {
  jest.setTimeout(120_000);

  let folder: string;
  let application: ChildProcess;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ratchet-browser-'));
    const script = resolve(__dirname, '../../../dist/main.js');
    application = spawn(process.execPath, [script], {
      cwd: folder,
      env: { PATH: process.env.PATH, PORT: '0', BCRYPT_COST: '4', LOG_LEVEL: 'error' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const url = await swaggerAddress(application);

    browser = await launchChromium();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    await page.goto(url);
  });

  afterAll(async () => {
    await (browser as Browser | undefined)?.close();
    if (application.kill()) await once(application, 'close');
    await rm(folder, { recursive: true });
  });

  it('someone signs in with the example, authorizes, refreshes, and reads who they are', async () => {
    const paths = page.locator('.opblock-summary-path');
    await paths.first().waitFor();
    expect((await paths.allInnerTexts()).map((path) => path.replaceAll('\u200b', '')).slice(0, 5)).toEqual([
      '/auth/register',
      '/auth/login',
      '/auth/refresh',
      '/auth/logout',
      '/auth/me',
    ]);

    const login = await open('POST', '/auth/login');
    const first = await execute(login);
    expect(first).toMatchObject({ generation: 0, tokenType: 'Bearer' });

    await page.getByRole('button', { name: 'Authorize' }).first().click();
    const dialog = page.locator('.modal-ux');
    const bearer = dialog.locator('.auth-container', { has: page.locator('#auth-bearer-value') });
    await bearer.locator('input').fill(first.accessToken);
    await bearer.getByRole('button', { name: 'Apply credentials' }).click();
    await dialog.getByRole('button', { name: 'Close' }).last().click();

    const refresh = await open('POST', '/auth/refresh');
    await refresh.locator('textarea').fill(JSON.stringify({ refreshToken: first.refreshToken }));
    const second = await execute(refresh);
    expect(second).toMatchObject({ sessionId: first.sessionId, generation: 1 });

    const me = await open('GET', '/auth/me');
    expect(await execute(me)).toMatchObject({ email: 'user@example.com', sessionId: first.sessionId });

    await mkdir(resolve(SCREENSHOT, '..'), { recursive: true });
    await page.screenshot({ path: SCREENSHOT, fullPage: true });
    expect(problems).toEqual([]);
  });

  async function open(method: string, path: string): Promise<Locator> {
    const operation = page.locator('.opblock').filter({ has: page.locator(`[data-path="${path}"]`), hasText: method });
    await operation.locator('.opblock-summary-control').click();
    return operation;
  }

  /** Presses "Execute"; the answer's body, once its status is 200. */
  async function execute(operation: Locator): Promise<any> {
    await operation.getByRole('button', { name: 'Execute' }).click();
    const answer = operation.locator('.live-responses-table .response');
    await answer.waitFor();
    expect((await answer.locator('.response-col_status').innerText()).trim()).toMatch(/^200/);
    return JSON.parse(await answer.locator('.highlight-code code').first().innerText());
  }
});

/** Where the application says that its page is. */
function swaggerAddress(application: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    let output = '';
    application.stdout!.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const address = /Swagger UI: (\S+)\n/.exec(output)?.[1];
      if (address !== undefined) found(address);
    });
    application.once('close', () => failed(new Error('The built application did not start: is dist/ there?')));
  });
}
