import { Body, Controller, Get, HttpCode, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';

/**
 * A small application with one route that does nothing, as argv says: `bare` Nest and Fastify, `host` with what any
 * larger application has (TypeORM, a command bus, events), `documented`, a host that has loaded class-validator and
 * @nestjs/swagger as well, or `guarded`, the host with AuthModule and its global guard.
 * Each loads what it uses and nothing else.
 */

async function host(kind: string | undefined) {
  const { CqrsModule } = await import('@nestjs/cqrs');
  const { EventEmitterModule } = await import('@nestjs/event-emitter');
  const { TypeOrmModule } = await import('@nestjs/typeorm');
  const { dataSourceOptions } = await import('../../src/postgres/data-source.js');
  const database = { url: process.env.DATABASE_URL ?? '', poolSize: 10, migrateOnStart: false };
  const common = (entities: Parameters<typeof dataSourceOptions>[1]['entities']) => [
    CqrsModule.forRoot(),
    EventEmitterModule.forRoot(),
    TypeOrmModule.forRoot(dataSourceOptions(database, { entities, migrations: [] })),
  ];
  if (kind === 'documented') await Promise.all([import('class-validator'), import('@nestjs/swagger')]);
  if (kind !== 'guarded') return { imports: common([]), open: () => undefined };

  const { accessTokenKeyOf, AuthModule, authSchema, Public, UserDirectory } = await import('../../src/index.js');
  class Nobody extends UserDirectory {
    findById = () => Promise.resolve(null);
    findByLogin = () => Promise.resolve(null);
    replacePasswordHash = () => Promise.resolve(false);
  }
  const { REDIS_URL: redis, ACCESS_TOKEN_KEYS = '', REFRESH_TOKEN_KEYS = '' } = process.env;
  const [id, root] = REFRESH_TOKEN_KEYS.split(':');
  const auth = AuthModule.forRoot({
    accessTokenKeys: ACCESS_TOKEN_KEYS.split(',').map((entry) => {
      const [kid = '', bytes = ''] = entry.split(':');
      return accessTokenKeyOf(kid, Buffer.from(bytes, 'base64'));
    }),
    accessTokenIssuer: 'ratchet',
    accessTokenAudience: 'ratchet',
    accessTokenTtlSeconds: 3600,
    refreshTokenKeys: [{ id: Number(id), root: Buffer.from(root ?? '', 'base64') }],
    redis: redis === undefined ? null : { url: redis, prefix: 'ratchet:' },
    publicOrigin: process.env.PUBLIC_ORIGIN ?? null,
    userDirectory: Nobody,
    controllers: false,
  });
  return { imports: [...common([...authSchema().entities]), auth], open: Public() };
}

async function run(kind = process.argv[2]): Promise<void> {
  const { imports, open } = kind === 'bare' ? { imports: [], open: () => undefined } : await host(kind);

  @Controller()
  class ItemController {
    @Get('item')
    item() {
      return { id: 1, name: 'item' };
    }

    /** Where the product refuses junk: the same body, refused without a look at it. */
    @open
    @HttpCode(401)
    @Post('auth/refresh')
    refuse(@Body() _body: unknown) {
      return { code: 'invalid_grant' };
    }

    @open
    @Get('open')
    open() {
      return { id: 1, name: 'item' };
    }
  }

  @Module({ imports, controllers: [ItemController] })
  class ItemModule {}

  const app = await NestFactory.create(ItemModule, new FastifyAdapter(), { logger: ['error'] });
  app.enableShutdownHooks(['SIGTERM']);
  await app.listen(Number(process.env.PORT), '127.0.0.1');
}

void run();
