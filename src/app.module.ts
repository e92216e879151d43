import { Module, type DynamicModule } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { EventEmitterModule } from '@nestjs/event-emitter';
import type { Logger } from 'pino';
import { AuditModule } from './audit';
import { AuthModule, authSchema, postgresStorage } from './auth';
import type { Config } from './config';
import { ConsoleModule } from './console';
import type { DatabaseSchema } from './postgres/data-source';
import { databaseModule } from './database/database.module';
import { HealthModule, MetricsModule, PrometheusAuthMetrics } from './operations';
import { TypeOrmUserDirectory, UsersModule, userSchema } from './users';

/** The tables of the whole application, all of them in one schema. */
export function tablesIn(schema: string): DatabaseSchema {
  const [auth, users] = [authSchema({ schema }), userSchema(schema)];
  return {
    entities: [...auth.entities, ...users.entities],
    migrations: [...auth.migrations, ...users.migrations],
  };
}

export const CONSOLE_PATH = 'console';

/** The composition root. */
@Module({})
export class AppModule {
  /** `databaseUrl` is the configured one or that of the embedded server. */
  static forRoot(config: Config, databaseUrl: string, logger: Logger): DynamicModule {
    return {
      module: AppModule,
      imports: [
        CqrsModule.forRoot(),
        EventEmitterModule.forRoot(),
        databaseModule({ ...config.database, url: databaseUrl }, tablesIn(config.database.schema)),
        AuthModule.forRootAsync({
          useFactory: () => config.auth,
          userDirectory: TypeOrmUserDirectory,
          storage: postgresStorage(config.storage),
          metrics: PrometheusAuthMetrics,
          oauth: config.auth.oauth,
          isGlobal: true,
          // Whatever makes a document documents them: without one, @nestjs/swagger is not loaded.
          documented: false,
        }),
        UsersModule.forRoot(config.users),
        AuditModule.forRoot(logger),
        HealthModule.forRoot(config),
        MetricsModule.forRoot(config),
        ...(config.http.consoleEnabled ? [ConsoleModule.forRoot({ path: CONSOLE_PATH })] : []),
      ],
    };
  }
}
