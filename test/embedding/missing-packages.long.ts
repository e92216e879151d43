import { rm } from 'node:fs/promises';
import { demandCleanInstall, locked, write } from './support/bare-host';
import { hostDatabase, hostFolder, INSTALLATION_MS, packed, run } from './support/host';

jest.setTimeout(60_000);

const NEEDED = {
  11: '@nestjs/core@11 @nestjs/cqrs@11 @nestjs/jwt@11 @nestjs/event-emitter@3 typeorm@0.3 pg@8 class-validator@0.14 class-transformer@0.5',
  12: '@nestjs/common@12 @nestjs/core@12 @nestjs/cqrs@12 @nestjs/jwt@12 @nestjs/event-emitter@12 typeorm@1 pg@8 class-validator@0.15 class-transformer@0.5',
};

describe.each([
  [11, "Nest 11's common package"],
  [12, 'nothing'],
] as const)('the package for Nest %i, beside %s', (nest, _) => {
  let folder: string;
  beforeAll(async () => {
    folder = await hostFolder();
    await write(folder, [['package.json', '{ "name": "bare", "private": true }']]);
    await run(`npm install ${await packed(folder)}`, folder);
  }, INSTALLATION_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** What statements print, or the message of the error that they throw. */
  async function outcome(statements: string): Promise<string> {
    const script = `(async () => { ${statements} })().catch((error) => console.log(error.message));`;
    await write(folder, [['outcome.cjs', script]]);
    return (await run(`${process.execPath} outcome.cjs`, folder)).trim();
  }
  const start = (options: string, logged = 'error') =>
    outcome(`
      const { PasswordHasher } = require('nest-ratchet');
      const { AuthTestingModule } = require('nest-ratchet/testing');
      const { NestFactory } = require('@nestjs/core');
      const hasher = [{ provide: PasswordHasher, useValue: {} }];
      const app = await NestFactory.createApplicationContext(AuthTestingModule.forRoot(${options}), {
        abortOnError: false,
        logger: ['${logged}'],
      });
      await app.close();
      console.log('started');`);

  it('has its five dependencies, and chooses nothing for the host', async () => {
    expect([...(await locked(folder)).keys()].filter((path) => path !== '').sort()).toEqual(
      ['commander', 'dataloader', 'lru-cache', 'nest-ratchet', 'rate-limiter-flexible', 'uuid'].map(
        (name) => `node_modules/${name}`,
      ),
    );
    await demandCleanInstall(folder);
  });

  it(
    'says in one sentence what is missing, and loads once its command has run',
    async () => {
      if (nest === 11) await run('npm install @nestjs/common@11', folder);
      const command = `npm install ${NEEDED[nest]}`;
      expect(await outcome("require('nest-ratchet')")).toBe(
        `nest-ratchet needs packages that are not installed: ${command}`,
      );
      await run(command, folder);
      expect(await outcome("console.log(typeof require('nest-ratchet').AuthModule)")).toBe('function');
    },
    INSTALLATION_MS,
  );

  it.each([
    ['{}', 'AuthModule with `controllers: true`', `@nestjs/swagger@${nest}`],
    ['{ controllers: false }', 'AuthModule without a PasswordHasher of yours', 'bcrypt@6'],
    [
      "{ controllers: false, providers: hasher, options: { redis: { url: 'redis://127.0.0.1', prefix: 'p:' } } }",
      'the option `redis`',
      'redis@5',
    ],
  ])('started with %s it says what else is missing', async (options, what, version) => {
    const name = version.slice(0, version.lastIndexOf('@'));
    expect(await start(options)).toBe(
      `nest-ratchet: ${what} needs ${name}, which is not installed: npm install ${version}`,
    );
  });

  it('starts without any of them where none is used, and logs a line about Passport only where a part of it is installed', async () => {
    const bare = '{ controllers: false, providers: hasher }';
    expect(await start(bare, 'log')).not.toContain('Passport');
    await run(`npm install @nestjs/passport@${nest} passport@0.7`, folder);
    const output = await start(bare, 'log');
    expect(output).toContain('No Passport strategy `ratchet` without passport-custom: npm install passport-custom@1');
    expect(output).toMatch(/started$/);
  });

  it('keeps sessions in a database of its own for users in a Map: no module of TypeORM, no entity, no migration of the host', async () => {
    const database = await hostDatabase();
    const output = await outcome(`
      require('reflect-metadata');
      const { AccessTokenAuthenticator, AuthModule, LogInCommand, LogOutEverywhereCommand, PasswordHasher,
              RefreshAccessTokenCommand, UserDirectory } = require('nest-ratchet');
      const { CommandBus, CqrsModule } = require('@nestjs/cqrs');
      const { EventEmitterModule } = require('@nestjs/event-emitter');
      const { NestFactory } = require('@nestjs/core');
      const ann = { id: '7', email: 'ann@example.com', roles: ['user'], isActive: true, passwordHash: 'hash of secret' };
      const users = new Map([[ann.id, ann]]);
      class People extends UserDirectory {
        async findById(id) { return users.get(id) ?? null; }
        async findByLogin(login) { return [...users.values()].find(({ email }) => email === login) ?? null; }
        async replacePasswordHash() { return false; }
      }
      class Plain extends PasswordHasher {
        async hash(password) { return 'hash of ' + password; }
        async verify(password, hash) { return hash === 'hash of ' + password; }
        needsRehash() { return false; }
      }
      const root = Buffer.alloc(32, 7);
      const start = () => NestFactory.createApplicationContext({
        module: class Host {},
        imports: [CqrsModule.forRoot(), EventEmitterModule.forRoot(), AuthModule.forRoot({
          accessTokenKeys: [{ kid: 'k1', secret: root }], refreshTokenKeys: [{ id: 1, root }],
          accessTokenIssuer: 'host', accessTokenAudience: 'host',
          userDirectory: People, controllers: false, globalGuard: false,
          providers: [{ provide: PasswordHasher, useClass: Plain }],
          database: { url: ${JSON.stringify(database.url)} },
        })],
      }, { abortOnError: false, logger: ['error', 'warn'] });
      const [one, two] = await Promise.all([start(), start()]);
      const on = (app) => (command) => app.get(CommandBus, { strict: false }).execute(command);
      const pair = (await on(one)(new LogInCommand('ann@example.com', 'secret'))).value;
      const next = (await on(two)(new RefreshAccessTokenCommand(pair.refreshToken))).value;
      const again = (await on(one)(new RefreshAccessTokenCommand(pair.refreshToken))).value;
      console.log(next.generation, again.refreshToken === next.refreshToken);
      console.log((await one.get(AccessTokenAuthenticator, { strict: false }).authenticate(next.accessToken)).userId);
      console.log(await on(one)(new LogOutEverywhereCommand('7')));
      console.log((await on(two)(new RefreshAccessTokenCommand(next.refreshToken))).reason.reason);
      await Promise.all([one.close(), two.close()]);
      console.log('closed');`);
    await database.drop();
    expect(output.split('\n')).toEqual(['1 true', '7', '1', 'token_revoked', 'closed']);
  });
});
