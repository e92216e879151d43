import { rm } from 'node:fs/promises';
import { demandCleanInstall, locked, write } from './support/bare-host';
import { hostFolder, packed, run } from './support/host';

jest.setTimeout(60_000);
/** An installation from the registry. */
const PATIENCE_MS = 300_000;

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
  }, PATIENCE_MS);
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
    PATIENCE_MS,
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
});
