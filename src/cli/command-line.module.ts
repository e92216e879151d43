import { randomBytes } from 'node:crypto';
import { type DynamicModule, Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { EventEmitterModule } from '@nestjs/event-emitter';
import { DataSource } from 'typeorm';
import type { CommandLineConfig } from '../config';
import { AuthModule, postgresStorage } from '../index';
import type { Database } from './database';

/** Auth and nothing else of an application, for one command. */
@Module({})
export class CommandLineModule {
  static on({ dataSource, userDirectory }: Database, { auth, storage }: CommandLineConfig): DynamicModule {
    return {
      module: CommandLineModule,
      global: true,
      imports: [
        CqrsModule.forRoot(),
        EventEmitterModule.forRoot(),
        AuthModule.forRoot({
          ...NEEDED,
          ...auth,
          // No clean-up and no guard; Redis limits requests, and there are none.
          cleanUpIntervalSeconds: 0,
          watchRevocations: false,
          redis: null,
          userDirectory,
          storage: postgresStorage(storage),
          controllers: false,
          oauth: false,
          globalGuard: false,
        }),
      ],
      providers: [{ provide: DataSource, useValue: dataSource }],
      exports: [DataSource],
    };
  }
}

/** No command issues or reads a token: what is not configured may be anything. */
const NEEDED = {
  accessTokenIssuer: 'none',
  accessTokenAudience: 'none',
  accessTokenKeys: [{ kid: 'none', secret: randomBytes(32) }],
  refreshTokenKeys: [{ id: 0, root: randomBytes(32) }],
};
