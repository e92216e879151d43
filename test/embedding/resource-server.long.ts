import { rm } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { servicesEnv, SERVICE, ISSUER } from '../services/support/services';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { until } from '../support/until';
import { demandCleanInstall, locked, write } from './support/bare-host';
import { hostFolder, INSTALLATION_MS, installedExample, packed, run } from './support/host';

jest.setTimeout(60_000);

let app: TestApplication;
beforeAll(async () => {
  app = await startTestApplication({ env: servicesEnv() });
});
afterAll(() => app.close());

describe('the packed package alone in a folder', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await hostFolder();
    await write(folder, [['package.json', '{ "name": "service", "private": true }']]);
    await run(`npm install ${await packed(folder)}`, folder);
  }, INSTALLATION_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('has at most eight packages, and none of a database, of Nest, or of passwords', async () => {
    const paths = [...(await locked(folder)).keys()].filter((path) => path !== '');
    expect(paths.length).toBeLessThanOrEqual(8);
    expect(paths.filter((path) => /typeorm|\bpg\b|bcrypt|redis|nestjs/.test(path))).toEqual([]);
    await demandCleanInstall(folder);
  });

  it.each([
    ['outcome.cjs', "const { ratchetVerifier } = require('nest-ratchet/resource-server');"],
    ['outcome.mjs', "import { ratchetVerifier } from 'nest-ratchet/resource-server';"],
  ])('verifies tokens in %s, and refuses one that was logged out', async (file, load) => {
    const { accessToken, refreshToken } = (await app.logIn()).body;
    const script = `${load}
      const verifier = ratchetVerifier({
        issuer: '${ISSUER}', audience: 'ratchet', jwksUrl: '${app.url}/.well-known/jwks.json',
        feed: { url: '${app.url}/auth/revocations', name: '${SERVICE.name}', secret: '${SERVICE.secret}' },
      });
      (async () => {
        await verifier.start();
        const token = process.argv[2];
        console.log((await verifier.verify(token)) === null, (await verifier.verify(token + 'x')) === null);
        await fetch('${app.url}/auth/logout', {
          method: 'POST', headers: { 'Content-Type': 'application/json' }, body: process.argv[3],
        });
        while ((await verifier.verify(token)) !== null) await new Promise((resolve) => setTimeout(resolve, 5));
        await verifier.stop();
        console.log('refused');
      })();`;
    await write(folder, [[file, script]]);
    const body = JSON.stringify({ refreshToken });
    const output = await run(`${process.execPath} ${file} ${accessToken} '${body}'`, folder);
    expect(output.trim().split('\n')).toEqual(['false true', 'refused']);
  });
});

describe('the packed package inside examples/orders-service', () => {
  let folder: string;
  beforeAll(async () => {
    ({ folder } = await installedExample('orders-service'));
  }, INSTALLATION_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('installs neither TypeORM nor a driver, and guards its routes', async () => {
    const paths = [...(await locked(folder)).keys()];
    expect(
      paths.filter((path) => /node_modules\/(typeorm|pg|bcrypt|redis|@nestjs\/(typeorm|cqrs|jwt))$/.test(path)),
    ).toEqual([]);
    const child = spawn(process.execPath, ['dist/main.js'], {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        PORT: '0',
        AUTH_URL: app.url,
        AUTH_ISSUER: ISSUER,
        AUTH_SECRET: SERVICE.secret,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const exited = once(child, 'close');
    try {
      await until(() => /Listening at (\S+)/.test(output) || child.exitCode !== null);
      const url = /Listening at (\S+)/.exec(output)?.[1] ?? output;
      const { accessToken, refreshToken } = (await app.logIn()).body;
      const statusOf = async (route: string, bearer?: string) =>
        (await fetch(url + route, { headers: bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` } }))
          .status;
      expect(await statusOf('/orders/health')).toBe(200);
      expect(await statusOf('/orders')).toBe(401);
      expect(await statusOf('/orders', accessToken)).toBe(200);
      expect(await statusOf('/orders/all/1', accessToken)).toBe(403);
      await app.post('/auth/logout', { refreshToken });
      await until(async () => (await statusOf('/orders', accessToken)) === 401);
    } finally {
      child.kill('SIGTERM');
      await exited;
    }
    expect(output).not.toMatch(/error/i);
  });
});
