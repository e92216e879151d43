import type { INestApplication } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { EventEmitterModule } from '@nestjs/event-emitter';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { AuthModule, configureHttp } from '../../src';
import { loadConfig } from '../../src/config';
import { databaseModule } from '../../src/database/database.module';
import { TypeOrmUserDirectory, UsersModule } from '../../src/users';
import type { UsersOptions } from '../../src/users/users.options';
import { tablesIn } from '../support/database/test-database';

const KEY = Buffer.alloc(32, 'test key').toString('base64');

/** Auth and users as the application wires them, on a migrated database. */
export async function usersApp(databaseUrl: string, users: Partial<UsersOptions> = {}): Promise<INestApplication> {
  const config = loadConfig({
    NODE_ENV: 'test',
    DATABASE_URL: databaseUrl,
    ACCESS_TOKEN_KEYS: `test:${KEY}`,
    REFRESH_TOKEN_KEYS: `1:${KEY}`,
    BCRYPT_COST: '4',
    LIMIT_REGISTER_PER_IP: '0',
    OAUTH_ENABLED: 'false',
  });
  const compiled = await Test.createTestingModule({
    imports: [
      CqrsModule.forRoot(),
      EventEmitterModule.forRoot(),
      databaseModule({ ...config.database, url: databaseUrl, migrateOnStart: false }, tablesIn(config.database.schema)),
      AuthModule.forRootAsync({ useFactory: () => config.auth, userDirectory: TypeOrmUserDirectory, isGlobal: true }),
      UsersModule.forRoot({ ...config.users, ...users }),
    ],
  }).compile();
  const app = compiled.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { bodyParser: false });
  app.useLogger(false);
  configureHttp(app, { trustProxy: [], corsOrigins: [] });
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  return app;
}
