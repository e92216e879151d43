import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';

/**
 * A small application with one route that does nothing, as argv says: `bare` Nest and Fastify, `host` with what any
 * larger application has (TypeORM, a command bus, events), or `guarded`, the host with AuthModule and its global guard.
 * Each loads what it uses and nothing else.
 */

async function host(withAuth: boolean) {
  const { CqrsModule } = await import('@nestjs/cqrs');
  const { EventEmitterModule } = await import('@nestjs/event-emitter');
  const { TypeOrmModule } = await import('@nestjs/typeorm');
  const { dataSourceOptions } = await import('../../src/database/data-source.js');
  const database = { url: process.env.DATABASE_URL ?? '', poolSize: 10, migrateOnStart: false };
  const common = (entities: Parameters<typeof dataSourceOptions>[1]['entities']) => [
    CqrsModule.forRoot(),
    EventEmitterModule.forRoot(),
    TypeOrmModule.forRoot(dataSourceOptions(database, { entities, migrations: [] })),
  ];
  if (!withAuth) return { imports: common([]), open: () => undefined };

  const { authEntities, AuthModule, Public } = await import('../../src/auth/index.js');
  const { TypeOrmUserDirectory, userEntities } = await import('../../src/users/index.js');
  const { loadConfig } = await import('../../src/config.js');
  return {
    imports: [
      ...common([...authEntities, ...userEntities]),
      AuthModule.forRoot({ ...loadConfig().auth, userDirectory: TypeOrmUserDirectory, controllers: false }),
    ],
    open: Public(),
  };
}

async function run(kind = process.argv[2]): Promise<void> {
  const { imports, open } = kind === 'bare' ? { imports: [], open: () => undefined } : await host(kind === 'guarded');

  @Controller()
  class ItemController {
    @Get('item')
    item() {
      return { id: 1, name: 'item' };
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
