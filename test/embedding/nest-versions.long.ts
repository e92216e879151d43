import { readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from 'redis';
import { startRedis } from '../support/redis/redis-server';
import { type Choice, demandCleanInstall, documentedFiles, locked, peers, write } from './support/bare-host';
import {
  ask,
  type Host,
  type HostDatabase,
  hostDatabase,
  hostFolder,
  INSTALLATION_MS,
  packed,
  ROOT,
  run,
  startHost,
} from './support/host';

jest.setTimeout(60_000);

const ALWAYS = [
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/cqrs',
  '@nestjs/jwt',
  '@nestjs/event-emitter',
  'typeorm',
  'pg',
  'class-validator',
  'class-transformer',
];
const FOR_ROUTES = ['@nestjs/swagger', '@nestjs/platform-express', '@nestjs/platform-fastify', '@nestjs/typeorm'];
const FOR_SOME = ['bcrypt', '@nestjs/passport', 'passport', 'passport-custom', 'redis', 'reflect-metadata', 'rxjs'];

const HOSTS: Choice[] = [
  { nest: 11, typeorm: '0.3', versions: 'lowest' },
  { nest: 11, typeorm: '0.3', versions: 'newest' },
  { nest: 12, typeorm: '1', versions: 'lowest' },
  { nest: 12, typeorm: '0.3', versions: 'newest' },
];

const ANN = { email: 'ann@example.com', password: 'a long enough passphrase' };

/** Of a host as docs/embedding.md shows it; with CONFIGURED it takes auth's way with bodies and errors for all routes. */
const MAIN = `
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { configureHttp } from 'nest-ratchet';
import { AppModule } from './app.module.js';

async function main(): Promise<void> {
  const configured = process.env.CONFIGURED === 'yes';
  const adapter = process.env.HTTP_ADAPTER === 'express' ? new ExpressAdapter() : new FastifyAdapter();
  const app = await NestFactory.create(AppModule, adapter, { bodyParser: !configured });
  if (configured) configureHttp(app, { trustProxy: [], corsOrigins: [] });
  app.enableShutdownHooks();
  await app.listen(0, '127.0.0.1');
  console.log('Listening at ' + (await app.getUrl()));
}
void main();
`;

/** A test of a host's: plain JavaScript, for a Jest that has no settings. */
const JEST_TEST = `
const { Controller, Get, UseGuards } = require('@nestjs/common');
const { AuthGuard } = require('@nestjs/passport');
const { Test } = require('@nestjs/testing');
const { Public } = require('nest-ratchet');
const { AuthTestingModule, issueTestToken } = require('nest-ratchet/testing');

class ThingsController {
  list() {
    return [];
  }
  listByPassport() {
    return [];
  }
}
const route = (name, ...decorators) => {
  for (const decorate of decorators) {
    decorate(ThingsController.prototype, name, Object.getOwnPropertyDescriptor(ThingsController.prototype, name));
  }
};
route('list', Get('guarded'));
route('listByPassport', Get('composed'), Public(), UseGuards(AuthGuard(['ratchet'])));
Controller()(ThingsController);

let app;
beforeAll(async () => {
  const module = await Test.createTestingModule({
    imports: [AuthTestingModule.forRoot()],
    controllers: [ThingsController],
  }).compile();
  app = module.createNestApplication();
  await app.listen(0, '127.0.0.1');
});
afterAll(() => app.close());

test.each(['guarded', 'composed'])('%s', async (path) => {
  const url = (await app.getUrl()) + '/' + path;
  const token = await issueTestToken(app, { roles: ['user'] });
  expect((await fetch(url)).status).toBe(401);
  expect((await fetch(url, { headers: { Authorization: 'Bearer ' + token } })).status).toBe(200);
});
`;

/** Counts a login in the Redis that it is given. */
const COUNT_IN_REDIS = `
require('reflect-metadata');
const { setTimeout: delay } = require('node:timers/promises');
const { NestFactory } = require('@nestjs/core');
const { RateLimits, RedisConnection } = require('nest-ratchet');
const { AuthTestingModule } = require('nest-ratchet/testing');

(async () => {
  const options = { redis: { url: process.argv[2], prefix: 'host:' }, limits: { loginPerIp: { points: 2, seconds: 60 } } };
  const module = AuthTestingModule.forRoot({ controllers: false, options });
  const app = await NestFactory.createApplicationContext(module, { logger: ['error', 'warn'] });
  const redis = app.get(RedisConnection, { strict: false });
  while (!(await redis.demandMaster().then(() => true, () => false))) await delay(10);
  await app.get(RateLimits).take('loginPerIp', 'somewhere');
  await app.close();
})();
`;

/** With the resolution that Nest 11 applications have, so that `typesVersions` is looked at. */
const compilerOptions = (nest: Choice['nest']) => ({
  target: 'es2022',
  ...(nest === 11
    ? { module: 'commonjs', moduleResolution: 'node10', ignoreDeprecations: '6.0' }
    : { module: 'nodenext', moduleResolution: 'nodenext' }),
  strict: true,
  skipLibCheck: true,
  esModuleInterop: true,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  typeRoots: [join(ROOT, 'node_modules/@types')],
  types: ['node'],
  rootDir: 'src',
  outDir: 'dist',
});

let tarball: string;
let packages: string;
beforeAll(async () => {
  packages = await hostFolder();
  tarball = await packed(packages);
});
afterAll(() => rm(packages, { recursive: true, force: true }));

describe.each(HOSTS)('a host of Nest $nest and TypeORM $typeorm, each in its $versions version', (choice) => {
  let folder: string;
  let installed: Map<string, string>;

  beforeAll(async () => {
    folder = await hostFolder();
    await write(folder, [
      ['package.json', '{ "name": "host", "private": true }'],
      ['tsconfig.json', JSON.stringify({ compilerOptions: compilerOptions(choice.nest), include: ['src'] })],
      ['src/main.ts', MAIN],
      ['guarded.test.js', JEST_TEST],
      ['count-in-redis.js', COUNT_IN_REDIS],
      ...(await documentedFiles()),
    ]);
    const names = await peers([...ALWAYS, ...FOR_ROUTES, ...FOR_SOME, '@nestjs/testing'], choice);
    await run(`npm install ${tarball} ${names.join(' ')}`, folder);
    installed = await locked(folder);
    process.stderr.write(
      `${JSON.stringify(choice)}: ${[...ALWAYS, ...FOR_ROUTES, ...FOR_SOME].map((name) => `${name} ${installed.get(`node_modules/${name}`)}`).join(', ')}\n`,
    );
  }, INSTALLATION_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('installs without flags, with one @nestjs/common of its own choice, and again from the lock', async () => {
    const copies = [...installed].filter(([path]) => /(^|\/)node_modules\/@nestjs\/common$/.test(path));
    expect(copies).toEqual([['node_modules/@nestjs/common', expect.stringMatching(`^${choice.nest}\\.`)]]);
    expect(installed.get('node_modules/typeorm')).toMatch(new RegExp(`^${choice.typeorm}\\.`));
    await demandCleanInstall(folder);
  });

  // Seen red for Nest 11 without `typesVersions`.
  it('compiles what docs/embedding.md shows', async () => {
    await run(join(ROOT, 'node_modules/.bin/tsc'), folder);
  });

  describe.each(['fastify', 'express'])('on %s', (adapter) => {
    let database: HostDatabase;
    let host: Host;
    beforeAll(async () => {
      database = await hostDatabase();
      host = await startHost(folder, database, { HTTP_ADAPTER: adapter });
    });
    afterAll(async () => {
      await host.stop();
      await database.drop();
    });
    const post = (path: string, body: unknown) => ask('POST', host.url + path, body);

    it('signs in, refreshes and guards', async () => {
      expect(await post('/people', ANN)).toMatchObject({ status: 201 });
      const signedIn = await post('/auth/login', ANN);
      expect(signedIn).toMatchObject({ status: 200, body: { generation: 0 } });
      const { refreshToken } = signedIn.body;
      const refreshed = await post('/auth/refresh', { refreshToken });
      expect(refreshed).toMatchObject({ status: 200, body: { generation: 1 } });
      expect(await ask('GET', `${host.url}/whoami`, undefined, refreshed.body.accessToken)).toMatchObject({
        status: 200,
      });
      expect(await post('/auth/logout', { refreshToken: refreshed.body.refreshToken })).toMatchObject({ status: 204 });
      expect(await ask('GET', `${host.url}/whoami`, undefined, refreshed.body.accessToken)).toMatchObject({
        status: 401,
      });
    });

    // Seen red on Express of Nest 11.2 with an object as the body: application/json, and a warning.
    it('refuses with problem details, and without a warning', async () => {
      const refused = await post('/auth/refresh', { refreshToken: 'nonsense' });
      expect(refused).toMatchObject({ status: 401, body: { code: 'refresh_refused' } });
      expect(refused.headers.get('Content-Type')).toMatch(/^application\/problem\+json/);
      expect(await post('/auth/login', { ...ANN, remember: 1 })).toMatchObject({
        status: 400,
        body: { code: 'invalid_request' },
      });
      expect(host.printed()).not.toMatch(/\b(WARN|ERROR)\b/);
    });
  });

  // Seen red on Nest 11 with the status of HttpExceptions only: 503.
  it('answers a body that its parser refuses as a problem, on Express', async () => {
    const database = await hostDatabase();
    const host = await startHost(folder, database, { HTTP_ADAPTER: 'express', CONFIGURED: 'yes' });
    try {
      const answer = await ask('POST', `${host.url}/auth/login`, { ...ANN, password: 'x'.repeat(20_000) });
      expect(answer).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
    } finally {
      await host.stop();
      await database.drop();
    }
  });

  it(`tests itself in Jest ${choice.nest === 11 ? 'without settings' : 'with the lines of docs/embedding.md'}`, async () => {
    if (choice.nest === 12) {
      const text = await readFile(join(ROOT, 'docs/embedding.md'), 'utf8');
      await write(folder, [['jest.config.cjs', /^```js\n(\/\/ jest.config.cjs\n[^]*?)^```$/m.exec(text)![1]!]]);
      // The tools of the repository: they are not what is tried here.
      await symlink(join(ROOT, 'node_modules/@swc'), join(folder, 'node_modules/@swc'));
    }
    await run(`${process.execPath} ${join(ROOT, 'node_modules/jest/bin/jest.js')} guarded`, folder);
    // npm would go through the link, and delete in the repository what the host's lock does not name.
    await rm(join(folder, 'node_modules/@swc'), { force: true });
  });

  if (choice.nest === 12 && choice.versions === 'newest') {
    it('tests itself in Vitest, as `nest new` of Nest 12 does', async () => {
      const asModule = JEST_TEST.replace(/const (\{.*\}) = require\((.*)\);/g, 'import $1 from $2;');
      await write(folder, [['with-vitest.test.js', asModule]]);
      await run('npm install --no-save vitest@4.1.12', folder);
      await run('npx vitest run --globals with-vitest', folder);
    });
  }

  if (choice.typeorm === '0.3') {
    it('counts in Redis', async () => {
      const redis = await startRedis();
      const client = createClient({ url: redis.url });
      try {
        await client.connect();
        await run(`${process.execPath} count-in-redis.js ${redis.url}`, folder);
        expect(await client.keys('host:*')).toHaveLength(1);
      } finally {
        client.destroy();
        await redis.stop();
      }
    });
  }
});
