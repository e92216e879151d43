import { type DynamicModule, ConfigurableModuleBuilder, Module, type Provider, type Type } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, ModuleRef } from '@nestjs/core';
import { AccessTokenAuthenticator } from './application/access-token.authenticator';
import { ChangePasswordHandler } from './application/change-password.handler';
import { CleanUpSessionsHandler } from './application/clean-up-sessions.handler';
import { CleanUpSchedule } from './application/clean-up.schedule';
import { FindAuthEventsHandler } from './application/find-auth-events.handler';
import { GetSecurityPolicyHandler } from './application/get-security-policy.handler';
import { GetSessionHistoryHandler } from './application/get-session-history.handler';
import { ListSessionsHandler } from './application/list-sessions.handler';
import { LogInHandler } from './application/log-in.handler';
import { LogOutEverywhereHandler } from './application/log-out-everywhere.handler';
import { LogOutHandler } from './application/log-out.handler';
import { PreviewGlobalRotationHandler } from './application/preview-global-rotation.handler';
import { RecoverAfterRestoreHandler } from './application/recover-after-restore.handler';
import { RefreshAccessTokenHandler } from './application/refresh-access-token.handler';
import { RefreshJudge } from './application/refresh-judge';
import { RefreshLimits } from './application/refresh-limits';
import { RevocationView } from './application/revocation.view';
import { RevokeAnySessionHandler } from './application/revoke-any-session.handler';
import { RevokeOtherSessionsHandler } from './application/revoke-other-sessions.handler';
import { RevokeSessionHandler } from './application/revoke-session.handler';
import { RevokeUserSessionsHandler } from './application/revoke-user-sessions.handler';
import { SecurityPolicyProvider } from './application/security-policy.provider';
import { SessionOpening } from './application/session-opening';
import { SessionTermination } from './application/session-termination';
import { SetUserActiveHandler } from './application/set-user-active.handler';
import { SetUserRolesHandler } from './application/set-user-roles.handler';
import { TokenPairIssuer } from './application/token-pair';
import { TriggerGlobalTokenRotationHandler } from './application/trigger-global-token-rotation.handler';
import { TriggerUserTokenRotationHandler } from './application/trigger-user-token-rotation.handler';
import { UpdateGracePeriodHandler } from './application/update-grace-period.handler';
import { UserRevocation } from './application/user-revocation';
import { ValidateRefreshTokenHandler } from './application/validate-refresh-token.handler';
import { RefreshTokenKeyRing } from './domain/refresh-token';
import { AccessTokenGuard } from './http/access-token.guard';
import { AccessTokenStrategy } from './http/access-token.strategy';
import { AdminSecurityController } from './http/admin-security.controller';
import { AdminSessionsController } from './http/admin-sessions.controller';
import { AuthController } from './http/auth.controller';
import { RefreshCookie } from './http/refresh-cookie';
import { RefusalFilter } from './http/refusal.filter';
import { SessionsController } from './http/sessions.controller';
import { BcryptPasswordHasher } from './infrastructure/bcrypt/bcrypt-password-hasher';
import { InProcessSecurityPolicyCache } from './infrastructure/defaults/in-process-security-policy.cache';
import { NoMetrics } from './infrastructure/defaults/no-metrics';
import { SystemClock } from './infrastructure/defaults/system-clock';
import { RecordedAuthEvents } from './infrastructure/events/recorded-auth-events';
import { JwtAccessTokenSigner } from './infrastructure/jwt/jwt-access-token.signer';
import { FlexibleRateLimits } from './infrastructure/limits/flexible-rate-limits';
import { PostgresRevocationFeed } from './infrastructure/postgres/postgres-revocation.feed';
import { RedisConnection } from './infrastructure/redis/redis-connection';
import { RedisSecurityPolicyCache } from './infrastructure/redis/redis-security-policy.cache';
import { AuthEventPartitions } from './infrastructure/typeorm/auth-event-partitions';
import { TypeOrmAuthEventLog } from './infrastructure/typeorm/typeorm-auth-event.log';
import { TypeOrmSecurityPolicyRepository } from './infrastructure/typeorm/typeorm-security-policy.repository';
import { TypeOrmSessionRepository } from './infrastructure/typeorm/typeorm-session.repository';
import { TypeOrmUnitOfWork } from './infrastructure/typeorm/typeorm-unit-of-work';
import { AccessTokenSigner } from './ports/access-token.signer';
import { AuthEventLog } from './ports/auth-event.log';
import { AuthEvents } from './ports/auth-events';
import { AuthMetrics } from './ports/auth-metrics';
import { AuthOptions } from './ports/auth.options';
import { Clock } from './ports/clock';
import { completeOptions, type GivenAuthOptions } from './ports/complete-options';
import { PasswordHasher } from './ports/password-hasher';
import { RateLimits } from './ports/rate-limits';
import { RevocationFeed } from './ports/revocation.feed';
import { SecurityPolicyCache } from './ports/security-policy.cache';
import { SecurityPolicyRepository } from './ports/security-policy.repository';
import { SessionRepository } from './ports/session.repository';
import { UnitOfWork } from './ports/unit-of-work';
import { UserDirectory } from './ports/user-directory';

interface AuthModuleExtras {
  /**
   * The host's users. A class that a module in `imports` provides and exports is that very instance; any other is made
   * here, with what `imports` export. Needed; a missing one is told in a sentence.
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

/** PostgreSQL, through the host's DataSource. */
const inPostgres: readonly Provider[] = [
  { provide: Clock, useClass: SystemClock },
  TypeOrmUnitOfWork,
  { provide: UnitOfWork, useExisting: TypeOrmUnitOfWork },
  PostgresRevocationFeed,
  { provide: RevocationFeed, useExisting: PostgresRevocationFeed },
  TypeOrmSecurityPolicyRepository,
  { provide: SecurityPolicyRepository, useExisting: TypeOrmSecurityPolicyRepository },
  { provide: SessionRepository, useClass: TypeOrmSessionRepository },
  { provide: AuthEventLog, useClass: TypeOrmAuthEventLog },
  AuthEventPartitions,
];

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
        controllers: controllers
          ? [AuthController, SessionsController, AdminSecurityController, AdminSessionsController]
          : [],
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

const adapters: Provider[] = [
  { provide: AuthOptions, inject: [MODULE_OPTIONS_TOKEN], useFactory: completeOptions },
  {
    provide: RefreshTokenKeyRing,
    inject: [AuthOptions],
    useFactory: (options: AuthOptions) => new RefreshTokenKeyRing(options.refreshTokenKeys),
  },
  { provide: PasswordHasher, useClass: BcryptPasswordHasher },
  { provide: AccessTokenSigner, useClass: JwtAccessTokenSigner },
  { provide: AuthEvents, useClass: RecordedAuthEvents },
  {
    provide: RedisConnection,
    inject: [AuthOptions],
    useFactory: ({ redis }: AuthOptions) => (redis === null ? null : RedisConnection.to(redis.url, redis.prefix)),
  },
  {
    provide: RateLimits,
    inject: [AuthOptions, RedisConnection, AuthMetrics],
    useFactory: ({ limits }: AuthOptions, redis: RedisConnection | null, metrics: AuthMetrics) =>
      new FlexibleRateLimits(limits, redis, metrics),
  },
  InProcessSecurityPolicyCache,
  {
    provide: SecurityPolicyCache,
    inject: [InProcessSecurityPolicyCache, RedisConnection, AuthOptions],
    useFactory: (local: InProcessSecurityPolicyCache, redis: RedisConnection | null, options: AuthOptions) =>
      redis === null ? local : new RedisSecurityPolicyCache(local, redis, options.securityCacheTtlSeconds),
  },
];

/**
 * Refresh-token rotation and session security. It uses the host's CommandBus, EventEmitter and DataSource, and reads no
 * environment.
 */
@Module({
  providers: [
    ...adapters,
    RefreshJudge,
    RefreshLimits,
    CleanUpSchedule,
    SessionTermination,
    SessionOpening,
    TokenPairIssuer,
    UserRevocation,
    RevocationView,
    SecurityPolicyProvider,
    AccessTokenAuthenticator,
    AccessTokenGuard,
    AccessTokenStrategy,
    RefreshCookie,
    RefreshAccessTokenHandler,
    ValidateRefreshTokenHandler,
    LogInHandler,
    LogOutHandler,
    LogOutEverywhereHandler,
    ChangePasswordHandler,
    RevokeUserSessionsHandler,
    RevokeSessionHandler,
    RevokeAnySessionHandler,
    RevokeOtherSessionsHandler,
    ListSessionsHandler,
    GetSessionHistoryHandler,
    CleanUpSessionsHandler,
    SetUserActiveHandler,
    SetUserRolesHandler,
    TriggerGlobalTokenRotationHandler,
    TriggerUserTokenRotationHandler,
    UpdateGracePeriodHandler,
    RecoverAfterRestoreHandler,
    GetSecurityPolicyHandler,
    PreviewGlobalRotationHandler,
    FindAuthEventsHandler,
  ],
  exports: [
    AuthOptions,
    Clock,
    PasswordHasher,
    AuthEvents,
    AuthEventLog,
    AuthMetrics,
    RateLimits,
    UnitOfWork,
    UserDirectory,
    AccessTokenAuthenticator,
    AccessTokenGuard,
  ],
})
export class AuthModule extends ConfigurableModuleClass {}

export type AuthModuleOptions = typeof OPTIONS_TYPE;
export type AuthModuleAsyncOptions = typeof ASYNC_OPTIONS_TYPE;
