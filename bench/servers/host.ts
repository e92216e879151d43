import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import { EventEmitterModule } from '@nestjs/event-emitter';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import { authEntities, AuthModule, Public } from '../../src/auth';
import { loadConfig } from '../../src/config';
import { dataSourceOptions } from '../../src/database/data-source';
import { TypeOrmUserDirectory, userEntities } from '../../src/users';

/**
 * A small application with one route that does nothing, as argv says: `bare` Nest and Fastify, `host` with what any
 * larger application has (TypeORM, a command bus, events), or `guarded`, the host with AuthModule and its global guard.
 */

@Controller()
class ItemController {
  @Get('item')
  item() {
    return { id: 1, name: 'item' };
  }

  @Public()
  @Get('open')
  open() {
    return { id: 1, name: 'item' };
  }
}

const kind = process.argv[2];
const config = loadConfig();

const host = () => [
  CqrsModule.forRoot(),
  EventEmitterModule.forRoot(),
  TypeOrmModule.forRoot(
    dataSourceOptions(
      { ...config.database, url: config.database.url ?? '' },
      { entities: [...authEntities, ...userEntities], migrations: [] },
    ),
  ),
];
const guard = () => AuthModule.forRoot({ ...config.auth, userDirectory: TypeOrmUserDirectory, controllers: false });

@Module({
  imports: kind === 'bare' ? [] : kind === 'host' ? host() : [...host(), guard()],
  controllers: [ItemController],
})
class ItemModule {}

async function run(): Promise<void> {
  const app = await NestFactory.create(ItemModule, new FastifyAdapter(), { logger: ['error'] });
  app.enableShutdownHooks(['SIGTERM']);
  await app.listen(config.http.port, '127.0.0.1');
}

void run();
