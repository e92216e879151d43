import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { RevocationFeed } from '../../src';
import { asAdmin } from '../http/support/administration';
import { intercept } from '../http/support/intercept';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { freePort } from '../support/free-port';
import { until } from '../support/until';
import { ISSUER, SERVICE, servicesEnv } from './support/services';

const ROOT = resolve(__dirname, '../..');
const [NGINX, PYTHON] = ['/usr/sbin/nginx', '/usr/bin/python3'];

/** Whether Debian's package is there: without it the test skips by name, and in CI it fails. */
function isMissing(name: string, is: boolean, install: string): boolean {
  if (is) return false;
  if (process.env.CI) throw new Error(`${name} needs ${install}: apt-get install ${install}`);
  process.stderr.write(`SKIPPED: ${name}, because ${install} is missing (Debian)\n`);
  return true;
}

describe('nginx with the block of docs/services.md', () => {
  const name = 'the block for nginx';
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ env: { REVOCATION_MAX_STALENESS: '2s' } });
  });
  afterAll(() => app.close());

  it('lets valid tokens pass with their user, and refuses the others, also while nobody can decide', async () => {
    if (isMissing(name, existsSync(NGINX), 'nginx-light')) return;
    const [, block = ''] = /```nginx\n([^]*?)```/.exec(readFileSync(join(ROOT, 'docs/services.md'), 'utf8')) ?? [];
    const orders = createServer((request, response) => {
      const { 'x-auth-user': user, 'x-auth-roles': roles } = request.headers;
      response.end(JSON.stringify({ user, roles }));
    }).listen(0, '127.0.0.1');
    await once(orders, 'listening');
    const folder = await mkdtemp(join(tmpdir(), 'ratchet-nginx-'));
    const port = await freePort();
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    await writeFile(
      join(folder, 'nginx.conf'),
      `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
      events {}
      http {
        access_log off; ${paths.map((path) => `${path}_temp_path ${folder}/${path};`).join(' ')}
        upstream ratchet { server ${new URL(app.url).host}; }
        upstream orders { server 127.0.0.1:${(orders.address() as AddressInfo).port}; }
        server { listen 127.0.0.1:${port}; ${block} }
      }`,
    );
    const nginx = spawn(NGINX, ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], {
      stdio: 'inherit',
    });
    const exited = once(nginx, 'exit');
    try {
      await until(
        () =>
          new Promise((settle) => {
            const socket = connect(port, '127.0.0.1', () => settle(true));
            socket.on('error', () => settle(false)).on('connect', () => socket.destroy());
          }),
      );
      const ask = async (bearer?: string) => {
        const headers = { 'X-Auth-User': 'forged', ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }) };
        const response = await fetch(`http://127.0.0.1:${port}/orders/1`, { headers });
        return { status: response.status, headers: response.headers, text: await response.text() };
      };
      const account = await app.register();
      const { accessToken, refreshToken } = (await app.logIn(account)).body;
      const passed = await ask(accessToken);
      expect([passed.status, JSON.parse(passed.text)]).toEqual([200, { user: account.id, roles: 'user' }]);
      const none = await ask();
      expect([none.status, none.headers.get('WWW-Authenticate')]).toEqual([401, 'Bearer']);
      await app.post('/auth/logout', { refreshToken });
      expect((await ask(accessToken)).status).toBe(401);

      const { accessToken: other } = (await app.logIn(account)).body;
      const restore = intercept(app, RevocationFeed, 'read', () => Promise.reject(new Error('the database is away')));
      await until(async () => (await ask(other)).status === 503);
      expect((await ask(other)).headers.get('Retry-After')).toBe('1');
      restore();
      await until(async () => (await ask(other)).status === 200);
    } finally {
      nginx.kill('SIGTERM');
      await exited;
      orders.close().closeAllConnections();
      await rm(folder, { recursive: true });
    }
  });
});

describe('examples/verify.py', () => {
  it('accepts what the guard accepts, and refuses what it refuses', async () => {
    const hasJwt = await promisify(execFile)(PYTHON, ['-c', 'import jwt, cryptography']).then(
      () => true,
      () => false,
    );
    if (isMissing('examples/verify.py', hasJwt, 'python3-jwt python3-cryptography')) return;
    const app = await startTestApplication({ env: servicesEnv() });
    const python = spawn(PYTHON, [join(ROOT, 'examples/verify.py')], {
      env: { AUTH_URL: app.url, AUTH_ISSUER: ISSUER, AUTH_NAME: SERVICE.name, AUTH_SECRET: SERVICE.secret },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = once(python, 'exit');
    const lines = python.stdout.setEncoding('utf8')[Symbol.asyncIterator]();
    const statusOf = async (token: string): Promise<number> => {
      python.stdin.write(`${token}\n`);
      return Number((await lines.next()).value);
    };
    try {
      const account = await app.register();
      const [one, two] = [(await app.logIn(account)).body, (await app.logIn(account)).body];
      await until(async () => (await statusOf(one.accessToken)) === 200);
      expect(await statusOf('junk')).toBe(401);
      expect(await statusOf(`${one.accessToken}x`)).toBe(401);
      await app.post('/auth/logout', { refreshToken: one.refreshToken });
      await until(async () => (await statusOf(one.accessToken)) === 401);
      expect(await statusOf(two.accessToken)).toBe(200);
      await app.request('POST', '/auth/logout-all', { bearer: two.accessToken });
      await until(async () => (await statusOf(two.accessToken)) === 401);
      const { accessToken } = (await app.logIn(account)).body;
      await until(async () => (await statusOf(accessToken)) === 200);
      await asAdmin(app, 'POST', '/admin/security/rotations', { reason: 'a test' });
      await until(async () => (await statusOf(accessToken)) === 401);
    } finally {
      python.kill('SIGKILL');
      await exited;
      await app.close();
    }
  });
});
