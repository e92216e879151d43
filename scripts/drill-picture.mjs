// Writes docs/drill.png: a stolen session as the console draws it. Starts an instance of its own on an embedded database that
// goes away with it, plays `ratchet drill` there, and photographs the picture of the theft in Chromium (Debian's package).
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const FILE = fileURLToPath(new URL('../docs/drill.png', import.meta.url));
const MOST = 100 * 1024;
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ratchet-drill-'));

// Known before the start: cookies are for the origin that the configuration names.
const probe = createServer().listen(0, '127.0.0.1');
await once(probe, 'listening');
const { port } = probe.address();
probe.close();
await once(probe, 'close');

const server = spawn(execPath, [join(root, 'dist/main.js')], {
  cwd: folder,
  env: { PATH: env.PATH, NODE_ENV: 'development', PORT: String(port), LOG_LEVEL: 'error' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  let printed = '';
  server.stdout.setEncoding('utf8').on('data', (text) => (printed += text));
  while (!/Console: /.test(printed)) await once(server.stdout, 'data');
  const [, url] = /running on (\S+)/.exec(printed);
  const [, email, password] = /^ {2}(admin\S+) {2}(.+)$/m.exec(printed);

  const drill = execFileSync(execPath, [join(root, 'bin/ratchet.cjs'), 'drill', '--json', '--url', url], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: env.PATH },
  });
  const { picture } = JSON.parse(drill).scenes.find(({ scene }) => scene === 'A theft');

  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1080, height: 900 }, deviceScaleFactor: 1.5 });
    await page.goto(picture);
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('.branch').waitFor();
    await page.locator('.picture .scroll').screenshot({ path: FILE });
  } finally {
    await browser.close();
  }
} finally {
  server.kill('SIGTERM');
  await once(server, 'exit');
  rmSync(folder, { recursive: true });
}
const { size } = statSync(FILE);
console.log(`${FILE}: ${size} bytes`);
if (size > MOST) throw new Error(`The picture has more than ${MOST} bytes`);
