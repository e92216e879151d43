import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { ratchetVerifier } from '../../src/resource-server/index.js';

/*
 * Several services in one process, each with a view and polls of its own. `GET /ready` is 200 once all of them can decide. Of
 * the token in a body, `POST /accept` waits until all of them accept it, and `POST /refuse` until all of them refuse it: when
 * each began to, in nanoseconds of the machine's monotonic clock, or null for one that did not within the patience.
 */

const PATIENCE_NS = 10_000_000_000n;
const { FEED_URL = '', JWKS_URL = '', ISSUER = '', SECRET = '', PORT } = process.env;

const verifiers = Array.from({ length: Number(process.argv[2]) }, () =>
  ratchetVerifier({
    issuer: ISSUER,
    audience: 'ratchet',
    jwksUrl: JWKS_URL,
    feed: { url: FEED_URL, name: 'bench', secret: SECRET },
  }),
);

async function isAccepted(at: number, token: string): Promise<boolean> {
  const principal = await verifiers[at]?.verify(token);
  return principal !== null;
}

async function moment(at: number, token: string, accepted: boolean): Promise<string | null> {
  const from = process.hrtime.bigint();
  for (;;) {
    const now = process.hrtime.bigint();
    if ((await isAccepted(at, token)) === accepted) return String(now);
    if (now - from > PATIENCE_NS) return null;
    await delay(1);
  }
}

const server = createServer((request, response) => {
  if (request.url === '/ready') {
    response.statusCode = verifiers.every(({ view }) => view.stalenessSeconds < 60) ? 200 : 503;
    response.end();
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const token = Buffer.concat(chunks).toString();
    const moments = verifiers.map((_, at) => moment(at, token, request.url === '/accept'));
    void Promise.all(moments).then((found) => response.end(JSON.stringify(found)));
  });
});

void Promise.all(verifiers.map((verifier) => verifier.start())).then(() => server.listen(Number(PORT), '127.0.0.1'));
process.on('SIGTERM', () => {
  void Promise.all(verifiers.map((verifier) => verifier.stop())).then(() => process.exit(0));
});
