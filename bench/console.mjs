// Prints how long the main thread of Chromium (Debian's package) is busy with the history of a long session, with the files of
// dist/console. The routes answer at once, from memory: only the page is measured.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const REFRESHES = 10_000;
const PAGE = 1000;
const SESSION = '0198a0b0-0000-7000-8000-00000000000a';
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

const id = (n) => `0198a0b0-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
const common = { userId: id(1), sessionId: SESSION, ipAddress: '192.0.2.1', userAgent: 'Mozilla/5.0', reason: null };
const at = (n) => new Date(Date.UTC(2026, 0, 1) + n * 60_000).toISOString();
const created = { ...common, id: id(2), type: 'auth.session.created.v1', occurredAt: at(0), generation: 0 };
const refreshes = Array.from({ length: REFRESHES }, (_, n) =>
  ['attempted', 'succeeded'].map((outcome, half) => ({
    ...common,
    id: id(1000 + 2 * n + half),
    attemptId: id(1000 + 2 * n),
    type: `auth.token_refresh.${outcome}.v1`,
    occurredAt: at(n + 1),
    generation: n + half,
    // Another address now and then, so that not all of it folds.
    ipAddress: `192.0.2.${(n >> 4) % 200}`,
    outcome,
    details: {},
  })),
).flat();
const events = [{ ...created, attemptId: null, outcome: 'succeeded', details: {} }, ...refreshes];

function answerOf(path, query) {
  if (path === '/auth/me') return { id: id(1), email: 'admin@example.com', roles: ['admin'], sessionId: SESSION };
  const from = Number(query.get('cursor') ?? 0);
  const next = from + PAGE;
  return { items: events.slice(from, next), nextCursor: next < events.length ? String(next) : null };
}

const assets = fileURLToPath(new URL('../dist/console/assets/', import.meta.url));
const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://127.0.0.1');
  if (pathname.startsWith('/console/')) {
    const name = pathname.slice('/console/'.length) || 'index.html';
    response.setHeader('Content-Type', TYPES[extname(name)]);
    response.end(readFileSync(assets + name, 'utf8').replace('%ROUTES%', '../'));
  } else {
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(answerOf(pathname, searchParams)));
  }
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const origin = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const held = { accessToken: 'a', expiresIn: 900, sessionId: SESSION, dueAt: Number.MAX_SAFE_INTEGER };
  await page.addInitScript(
    ([name, text]) => globalThis.localStorage.setItem(name, text),
    [`ratchet:${origin}/auth/refresh`, JSON.stringify(held)],
  );
  const client = await page.context().newCDPSession(page);
  await client.send('Performance.enable');
  const busyMs = async () => {
    const { metrics } = await client.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration').value * 1000;
  };

  await page.goto(`${origin}/console/`);
  await page.getByRole('heading', { name: 'Now' }).waitFor();
  const before = await busyMs();
  await page.evaluate((hash) => (globalThis.location.hash = hash), `#/sessions/${SESSION}`);
  await page.getByText(`${REFRESHES} refreshes`).waitFor();
  const drawn = await busyMs();
  const pages = Math.ceil(events.length / PAGE);
  console.log(
    `${events.length} events in ${pages} pages: ${(drawn - before).toFixed(0)} ms of the main thread, ` +
      `${((drawn - before) / pages).toFixed(0)} ms for each page of ${PAGE}`,
  );

  const steps = await page.locator('.picture .scroll').evaluate(async (frame) => {
    let steps = 0;
    for (; frame.scrollLeft + frame.clientWidth < frame.scrollWidth; steps++) {
      const last = frame.scrollLeft;
      frame.scrollLeft += frame.clientWidth;
      await new Promise((next) => globalThis.requestAnimationFrame(next));
      if (frame.scrollLeft === last) break;
    }
    return steps;
  });
  console.log(`scrolled through in ${steps} steps: ${((await busyMs()) - drawn).toFixed(0)} ms of the main thread`);
} finally {
  await browser.close();
  server.close();
  server.closeAllConnections();
}
