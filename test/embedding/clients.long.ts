import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Pool } from 'pg';
import { type Account, type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { write } from './support/bare-host';
import { type HostDatabase, hostDatabase, hostFolder, INSTALLATION_MS, packed, ROOT, run } from './support/host';

jest.setTimeout(120_000);

const PACKAGES = 'axios@1.21.1 @apollo/client@4.3.8 graphql@16 rxjs@7 pg@8 @types/node@20 @types/pg@8';

const settings = (lib: string[], files: string[], more = {}): string =>
  JSON.stringify({
    compilerOptions: {
      module: 'nodenext',
      target: 'es2023',
      lib,
      types: ['node'],
      strict: true,
      outDir: 'dist',
      ...more,
    },
    files,
  });

/** Signs in, and calls by each recipe with an access token that the server refuses. */
const DRIVE = `
import { readFile, writeFile } from 'node:fs/promises';
import { gql } from '@apollo/client';
import { apollo } from './dist/apollo.js';
import { api } from './dist/axios.js';
import { session, signIn } from './dist/session.js';

const { API_URL, EMAIL, PASSWORD, SESSION_FILE } = process.env;
async function wearOut() {
  const held = JSON.parse(await readFile(SESSION_FILE, 'utf8'));
  await writeFile(SESSION_FILE, JSON.stringify({ ...held, accessToken: 'worn.out.token' }));
}
await signIn(EMAIL, PASSWORD);
const { sessionId } = session.current;
await wearOut();
const byFetch = await (await session.fetch(API_URL + '/auth/me')).json();
await wearOut();
const byAxios = (await api.get('/auth/me')).data;
await wearOut();
const byApollo = (await apollo.query({ query: gql\`{ me { sessionId } }\` })).data.me;
console.log(JSON.stringify({ sessionId, byFetch, byAxios, byApollo }));
`;

describe('the recipes of docs/clients.md, with the packed package', () => {
  let folder: string;
  let server: TestApplication;
  let services: Server;
  let api: string;

  beforeAll(async () => {
    folder = await hostFolder();
    const text = await readFile(join(ROOT, 'docs/clients.md'), 'utf8');
    const files = [...text.matchAll(/^```ts\n\/\/ (\S+)\n([^]*?)^```$/gm)].map(
      ([, path = '', code = '']) => [path, code] as const,
    );
    const names = files.map(([path]) => path);
    expect(names).toEqual(['browser.ts', 'bound.ts', 'session.ts', 'axios.ts', 'apollo.ts', 'bff.ts']);
    await write(folder, [
      ...files,
      ['package.json', '{"private":true,"type":"module"}'],
      ['drive.mjs', DRIVE],
      ['tsconfig.json', settings(['es2023', 'dom'], names, { skipLibCheck: true })],
      // Without the types of a browser, and with the package's own types looked at.
      ['tsconfig.node.json', settings(['es2023'], ['session.ts'], { noEmit: true })],
    ]);
    await run(`npm install --no-audit --no-fund ${await packed(folder)} ${PACKAGES}`, folder);
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    await run(`node ${tsc} -p tsconfig.json && node ${tsc} -p tsconfig.node.json`, folder);

    server = await startTestApplication();
    services = createServer((request, response) => {
      void (async () => {
        const { authorization = '' } = request.headers;
        const me = await server.request('GET', '/auth/me', { headers: { authorization } });
        const graphql = me.status === 200 ? { data: { me: me.body } } : { errors: [refusal] };
        response.setHeader('Content-Type', 'application/json');
        if (request.url === '/graphql') response.end(JSON.stringify(graphql));
        else
          response
            .writeHead(me.status, { 'WWW-Authenticate': 'Bearer error="invalid_token"' })
            .end(JSON.stringify(me.body));
      })();
    });
    services.listen(0, '127.0.0.1');
    await once(services, 'listening');
    api = `http://127.0.0.1:${(services.address() as AddressInfo).port}`;
  }, INSTALLATION_MS);
  afterAll(async () => {
    services.close();
    await server.close();
    await rm(folder, { recursive: true });
  });

  const refusal = { message: 'Unauthorized', extensions: { code: 'UNAUTHENTICATED' } };

  async function expectNoTheft(sessionId: string, generation: number): Promise<void> {
    const [row] = await server.query('SELECT generation FROM sessions WHERE id = $1', [sessionId]);
    expect(row.generation).toBe(generation);
    const types = (await server.events({ sessionId })).map(({ type }: Json) => type);
    expect(types).not.toContain('auth.token.reuse_detected.v1');
  }

  it('fetch, axios and Apollo refresh a token that is refused, and send the request again', async () => {
    const { email, password } = await server.register();
    const env = { AUTH_URL: server.url, API_URL: api, SESSION_FILE: join(folder, 'session'), EMAIL: email };
    const child = spawn(process.execPath, ['drive.mjs'], {
      cwd: folder,
      env: { PATH: process.env.PATH, ...env, PASSWORD: password },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await once(child, 'close');

    const { sessionId, byFetch, byAxios, byApollo } = JSON.parse(output);
    expect([byFetch, byAxios, byApollo]).toEqual([
      expect.objectContaining({ sessionId }),
      expect.objectContaining({ sessionId }),
      expect.objectContaining({ sessionId }),
    ]);
    await expectNoTheft(sessionId, 3);
  });

  describe('the backend for a frontend, as two processes', () => {
    let database: HostDatabase;
    let account: Account;
    const backends: Awaited<ReturnType<typeof startBackend>>[] = [];

    async function startBackend() {
      const child = spawn(process.execPath, ['dist/bff.js'], {
        cwd: folder,
        env: {
          PATH: process.env.PATH,
          AUTH_URL: server.url,
          API_URL: server.url,
          DATABASE_URL: database.url,
          PORT: '0',
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
      const stop = async () => {
        child.kill();
        await once(child, 'close');
      };
      return { url: `http://127.0.0.1:${/port: (\d+)/.exec(line)?.[1]}`, stop };
    }

    beforeAll(async () => {
      database = await hostDatabase();
      const { email, password } = await server.register();
      account = { email, password };
      backends.push(await startBackend(), await startBackend());
    });
    afterAll(async () => {
      for (const { stop } of backends) await stop();
      await database.drop();
    });

    const ask = (at: number, method: string, path: string, cookie = '', body?: Json, site = 'same-origin') =>
      fetch(backends[at]!.url + path, {
        method,
        headers: { Cookie: cookie, 'Sec-Fetch-Site': site },
        ...(body && { body: JSON.stringify(body) }),
      });

    it('signs in, refreshes once for both, and logs out', async () => {
      expect((await ask(0, 'POST', '/login', '', account, 'cross-site')).status).toBe(403);
      const login = await ask(0, 'POST', '/login', '', account);
      expect(login.status).toBe(204);
      const [cookie] = login.headers.getSetCookie()[0]!.split(';');
      const pool = new Pool({ connectionString: database.url });
      const { rows } = await pool.query<{ tokens: string }>('SELECT tokens FROM bff_sessions');
      const { sessionId } = JSON.parse(rows[0]!.tokens);
      await pool.query(`UPDATE bff_sessions SET tokens = jsonb_set(tokens::jsonb, '{dueAt}', '0')`);

      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, n) => ask(n % 2, 'GET', '/api/auth/me', cookie)),
      );

      for (const answer of answers) expect(await answer.json()).toMatchObject({ sessionId });
      await expectNoTheft(sessionId, 1);

      expect((await ask(1, 'POST', '/logout', cookie)).status).toBe(204);
      expect((await ask(0, 'GET', '/api/auth/me', cookie)).status).toBe(401);
      expect((await pool.query('SELECT FROM bff_sessions')).rowCount).toBe(0);
      await pool.end();
    });
  });
});
