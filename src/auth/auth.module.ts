import {
  type DynamicModule,
  ConfigurableModuleBuilder,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type Provider,
  type Type,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, ModuleRef } from '@nestjs/core';
import { AccessTokenAuthenticator } from '../guard/access-token.authenticator';
import { AccessTokenGuard } from '../guard/nest/access-token.guard';
import { RevocationView } from '../guard/revocation.view';
import { installLine, loaded, missingIn } from '../support/packages';
import { historyProviders } from './application/history/providers';
import { RecordedChange } from './application/recorded-change';
import { refreshProviders } from './application/refresh/providers';
import { sessionsProviders } from './application/sessions/providers';
import { signInProviders } from './application/sign-in/providers';
import { TokenPairIssuer } from './application/token-pair.issuer';
import { usersProviders } from './application/users/providers';
import { versionsProviders } from './application/versions/providers';
import { RefusalFilter } from './http/kit/refusal.filter';
import { RefreshCookie } from './http/refresh-cookie';
import { NoMetrics } from './infrastructure/defaults/no-metrics';
import { inPostgres } from './infrastructure/postgres/providers';
import { TypeOrmUnitOfWork } from './infrastructure/postgres/typeorm-unit-of-work';
import { adapters, guard } from './infrastructure/providers';
import { RedisConnection } from './infrastructure/redis/redis-connection';
import { AuthOptions } from './options/auth.options';
import { completeOptions, type GivenAuthOptions } from './options/complete-options';
import { AuthEventLog } from './ports/auth-event.log';
import { AuthEvents } from './ports/auth-events';
import { AuthMetrics } from './ports/auth-metrics';
import { Clock } from './ports/clock';
import { PasswordHasher } from './ports/password-hasher';
import { RateLimits } from './ports/rate-limits';
import { UnitOfWork } from './ports/unit-of-work';
import { UserDirectory } from './ports/user-directory';

interface AuthModuleExtras {
  /**
   * The host's users. If a module in `imports` provides and exports the class, auth uses that instance; otherwise auth
   * creates it, with the exports of `imports`. Required: without it startup fails with a clear message.
   */
  readonly userDirectory?: Type<UserDirectory> | undefined;
  /** Where auth counts; the default counts nothing. */
  readonly metrics?: Type<AuthMetrics>;
  /** Providers in the place of auth's own, by token: `[{ provide: PasswordHasher, useClass: Argon2Hasher }]`. */
  readonly providers?: readonly Provider[];
  /** Where sessions, events and versions are kept; by default in the host's DataSource. Tests keep them in memory. */
  readonly storage?: readonly Provider[];
  /** Makes what auth exports visible to every module. */
  readonly isGlobal?: boolean;
  /** Puts the guard on every route of the application; `@Public()` opens one. */
  readonly globalGuard?: boolean;
  /** Mounts auth's own routes. */
  readonly controllers?: boolean;
}

const defaults = {
  userDirectory: undefined,
  metrics: NoMetrics,
  providers: [],
  storage: inPostgres,
  isGlobal: false,
  globalGuard: true,
  controllers: true,
} satisfies AuthModuleExtras;

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<GivenAuthOptions>()
    .setClassMethodName('forRoot')
    // Every key is named: the builder knows an extra by its default.
    .setExtras<AuthModuleExtras>(defaults, (definition, extras): DynamicModule => {
      const { userDirectory, metrics, providers, storage, isGlobal, globalGuard, controllers } = {
        ...defaults,
        ...extras,
      };
      if (typeof userDirectory !== 'function') {
        throw new Error(
          "AuthModule needs `userDirectory`: a class that extends UserDirectory and finds the application's users",
        );
      }
      const auth: DynamicModule = {
        ...definition,
        controllers: controllers ? ownControllers() : [],
        providers: [
          ...(definition.providers ?? []),
          directory(userDirectory),
          { provide: AuthMetrics, useClass: metrics },
          ...storage,
          { provide: APP_FILTER, useClass: RefusalFilter },
          ...(globalGuard ? [{ provide: APP_GUARD, useExisting: AccessTokenGuard }] : []),
          // Last: of two providers for a token the later one counts.
          ...providers,
        ],
        exports: storage === inPostgres ? [TypeOrmUnitOfWork] : [],
      };
      return isGlobal ? { module: GlobalAuthModule, global: true, imports: [auth], exports: [AuthModule] } : auth;
    })
    .build();

const ownControllers = () =>
  loaded('AuthModule with `controllers: true`', () => {
    const { controllers } = require('./http/controllers') as typeof import('./http/controllers');
    return controllers;
  });

/** Registers itself with Passport. A host without Passport does not need it; one that lacks a part of it gets a log line. */
const passportStrategy: Provider = {
  provide: 'ratchet:passport-strategy',
  inject: [AccessTokenAuthenticator],
  useFactory: (authenticator: AccessTokenAuthenticator) => {
    try {
      const { AccessTokenStrategy } =
        require('./http/access-token.strategy') as typeof import('./http/access-token.strategy');
      return new AccessTokenStrategy(authenticator);
    } catch (error) {
      const name = missingIn(error);
      if (name === undefined) throw error;
      if (name !== '@nestjs/passport')
        new Logger('AuthModule').log(`No Passport strategy \`ratchet\` without ${name}: ${installLine([name])}`);
      return null;
    }
  },
};

/** The instance that the host's module exports, else one of auth's own. */
const directory = (userDirectory: Type<UserDirectory>): Provider => ({
  provide: UserDirectory,
  inject: [{ token: userDirectory, optional: true }, ModuleRef],
  useFactory: (provided: UserDirectory | undefined, auth: ModuleRef) => provided ?? auth.create(userDirectory),
});

/**
 * Lends auth to every module. Not global itself: Nest closes the global modules last, the database's among them, and
 * auth still has to record what waits.
 */
@Module({})
class GlobalAuthModule {}

/**
 * Refresh-token rotation and session security. It uses the host's CommandBus, EventEmitter and DataSource, and reads no
 * environment.
 */
@Module({
  providers: [
    { provide: AuthOptions, inject: [MODULE_OPTIONS_TOKEN], useFactory: completeOptions },
    ...adapters,
    ...guard,
    RecordedChange,
    TokenPairIssuer,
    ...refreshProviders,
    ...signInProviders,
    ...sessionsProviders,
    ...versionsProviders,
    ...usersProviders,
    ...historyProviders,
    passportStrategy,
    RefreshCookie,
  ],
  exports: [
    AuthOptions,
    Clock,
    PasswordHasher,
    AuthEvents,
    AuthEventLog,
    AuthMetrics,
    RateLimits,
    RecordedChange,
    UnitOfWork,
    UserDirectory,
    AccessTokenAuthenticator,
    AccessTokenGuard,
    RevocationView,
    RedisConnection,
  ],
})
export class AuthModule extends ConfigurableModuleClass implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    private readonly view: RevocationView,
    private readonly options: AuthOptions,
  ) {
    super();
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.options.watchRevocations) await this.view.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.view.stop();
  }
}

export type AuthModuleOptions = typeof OPTIONS_TYPE;
export type AuthModuleAsyncOptions = typeof ASYNC_OPTIONS_TYPE;
