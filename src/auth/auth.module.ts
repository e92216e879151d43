import {
  type ConfigurableModuleAsyncOptions,
  type DynamicModule,
  ConfigurableModuleBuilder,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  Optional,
  type Provider,
  type Type,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, ModuleRef } from '@nestjs/core';
import { AccessTokenAuthenticator } from '../guard/access-token.authenticator';
import { AccessTokenGuard } from '../guard/nest/access-token.guard';
import { RefusalFilter } from '../guard/nest/refusal.filter';
import { AccessDenials } from '../guard/ports/access-denials';
import { CurrentRoles } from '../guard/ports/current-roles';
import { RevocationView } from '../guard/revocation.view';
import { installLine, loaded, missingIn } from '../support/packages';
import { actAsProviders } from './application/act-as/providers';
import { DbscProofs } from './application/dbsc-proofs';
import { DpopProofs } from './application/dpop-proofs';
import { historyProviders } from './application/history/providers';
import { HostUsers } from './application/host-users';
import { KeyProofs } from './application/key-proofs';
import { PasswordCheck } from './application/password-check';
import { RecordedChange } from './application/recorded-change';
import { keysProviders } from './application/keys/providers';
import { refreshProviders } from './application/refresh/providers';
import { RefusedSeals } from './application/refused-seals';
import { resetProviders } from './application/reset/providers';
import { resourceServersProviders } from './application/resource-servers/providers';
import { sessionsProviders } from './application/sessions/providers';
import { signInProviders } from './application/sign-in/providers';
import { TokenPairIssuer } from './application/token-pair.issuer';
import { usersProviders } from './application/users/providers';
import { versionsProviders } from './application/versions/providers';
import { openapi } from './http/kit/openapi';
import { BoundCookies } from './http/dbsc/bound-cookies';
import { TokenDelivery } from './http/token-delivery';
import { NoMetrics } from './infrastructure/defaults/no-metrics';
import { OwnDatabase } from './infrastructure/postgres/own-database';
import { postgresStorage } from './infrastructure/postgres/providers';
import { TypeOrmUnitOfWork } from './infrastructure/postgres/typeorm-unit-of-work';
import { adapters, guard } from './infrastructure/providers';
import { RedisConnection } from './infrastructure/redis/redis-connection';
import { AuthOptions } from './options/auth.options';
import { completeOptions, type GivenAuthOptions } from './options/complete-options';
import { type GivenOwnDatabase, PostgresSettings } from './options/postgres.settings';
import { InvalidAuthOptions } from './options/rules';
import { AuthEventLog } from './ports/auth-event.log';
import { AuthEvents } from './ports/auth-events';
import { AuthMetrics } from './ports/auth-metrics';
import { Clock } from './ports/clock';
import { PasswordHasher } from './ports/password-hasher';
import { RateLimits } from './ports/rate-limits';
import { UnitOfWork } from './ports/unit-of-work';
import { UserDirectory } from './ports/user-directory';

/** What decides the module's providers and routes: with `forRootAsync` it is given beside `useFactory`. */
export interface AuthModuleExtras {
  /**
   * The host's users. If a module in `imports` provides and exports the class, auth uses that instance; otherwise auth
   * creates it, with the exports of `imports`. Required: without it startup fails with a clear message.
   */
  readonly userDirectory?: Type<UserDirectory> | undefined;
  /** Where auth counts; the default counts nothing. */
  readonly metrics?: Type<AuthMetrics>;
  /** Providers in the place of auth's own, by token: `[{ provide: PasswordHasher, useClass: Argon2Hasher }]`. */
  readonly providers?: readonly Provider[];
  /** The name of the host's DataSource that auth uses; without one, the default DataSource. */
  readonly dataSource?: string | undefined;
  /**
   * A database of auth's own in the place of a DataSource of the host: auth connects, runs its migrations at the start, and
   * closes it. The host needs no TypeORM then.
   */
  readonly database?: GivenOwnDatabase | null | undefined;
  /**
   * Providers for the ports that hold state: `SessionRepository`, `SecurityPolicyRepository`, `AuthEventLog`,
   * `RevocationFeed`, `UnitOfWork` and `Clock`. By default, or with settings of its own, `postgresStorage()`.
   */
  readonly storage?: readonly Provider[] | undefined;
  /** Makes what auth exports visible to every module. */
  readonly isGlobal?: boolean;
  /** Puts the guard on every route of the application; `@Public()` opens one. */
  readonly globalGuard?: boolean;
  /** Mounts auth's own routes. */
  readonly controllers?: boolean;
  /**
   * Mounts OAuth's shapes of them at `/oauth/…` and `/.well-known/…`, beside or without auth's own (RFC 6749, 7009, 7662, 8414),
   * and puts `client_id` into access tokens. `accessTokenIssuer` is the URL of the application then.
   */
  readonly oauth?: boolean | undefined;
  /** Documents them for @nestjs/swagger; without, a host that makes no document need not install or load the package. */
  readonly documented?: boolean;
}

const defaults = {
  userDirectory: undefined,
  metrics: NoMetrics,
  providers: [],
  dataSource: undefined,
  database: undefined,
  storage: undefined,
  isGlobal: false,
  globalGuard: true,
  controllers: true,
  oauth: false,
  documented: true,
} satisfies AuthModuleExtras;

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<GivenAuthOptions>()
  .setClassMethodName('forRoot')
  // Every key is named: the builder knows an extra by its default.
  .setExtras<AuthModuleExtras>(defaults, (definition, extras): DynamicModule => {
    const {
      userDirectory,
      metrics,
      providers,
      isGlobal,
      globalGuard,
      controllers,
      oauth = false,
      documented,
      ...whose
    } = {
      ...defaults,
      ...extras,
    };
    if (typeof userDirectory !== 'function') {
      throw new Error(
        "AuthModule needs `userDirectory`: a class that extends UserDirectory and finds the application's users",
      );
    }
    const storage = storageOf(whose);
    const rooms = roomsOf(controllers, oauth, documented);
    const auth: DynamicModule = {
      ...definition,
      controllers: rooms.flatMap((room) => room.controllers),
      providers: [
        ...(definition.providers ?? []),
        {
          provide: AuthOptions,
          inject: [MODULE_OPTIONS_TOKEN],
          useFactory: (given: GivenAuthOptions) => completed(given, oauth),
        },
        directory(userDirectory),
        { provide: AuthMetrics, useClass: metrics },
        ...storage,
        ...rooms.flatMap((room) => room.routeProviders),
        { provide: APP_FILTER, useClass: RefusalFilter },
        ...(globalGuard ? [{ provide: APP_GUARD, useExisting: AccessTokenGuard }] : []),
        // Last: of two providers for a token the later one counts.
        ...providers,
      ],
      // Nest refuses to export what it does not provide.
      exports: [TypeOrmUnitOfWork, PostgresSettings].filter((token) => storage.some((one) => tokenOf(one) === token)),
    };
    return isGlobal ? { module: GlobalAuthModule, global: true, imports: [auth], exports: [AuthModule] } : auth;
  })
  .build();

function storageOf({ storage, dataSource, database }: Pick<AuthModuleExtras, 'storage' | 'dataSource' | 'database'>) {
  if (storage === undefined) return postgresStorage({ dataSource, database });
  if (dataSource === undefined && database === undefined) return storage;
  throw new Error('AuthModule has a `storage`: give `dataSource` or `database` to postgresStorage()');
}

const tokenOf = (provider: Provider) => (typeof provider === 'function' ? provider : provider.provide);

interface Room {
  readonly controllers: readonly Type[];
  readonly routeProviders: readonly Provider[];
}

function roomsOf(controllers: boolean, oauth: boolean, documented: boolean): Room[] {
  const rooms: Room[] = [
    ...(controllers ? [require('./http/controllers') as typeof import('./http/controllers')] : []),
    ...(oauth ? [require('./http/oauth') as typeof import('./http/oauth')] : []),
  ];
  // Now: whether the host makes a document later is not to be seen, nor always whether it has loaded the package.
  if (documented && rooms.length > 0)
    loaded(`AuthModule with \`${controllers ? 'controllers' : 'oauth'}: true\``, () => openapi.apply());
  return rooms;
}

/** The options of a factory are read after the routes are decided, so it cannot decide them. */
function completed(given: GivenAuthOptions, oauth: boolean): AuthOptions {
  if (given.oauth === undefined || given.oauth === oauth) return completeOptions({ ...given, oauth });
  const rule = 'must be given to AuthModule beside useFactory, not by it: it decides which routes there are';
  throw new InvalidAuthOptions([{ option: 'oauth', rule }]);
}

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
    ...adapters,
    ...guard,
    RecordedChange,
    TokenPairIssuer,
    HostUsers,
    PasswordCheck,
    DbscProofs,
    DpopProofs,
    KeyProofs,
    RefusedSeals,
    ...refreshProviders,
    ...signInProviders,
    ...sessionsProviders,
    ...versionsProviders,
    ...usersProviders,
    ...historyProviders,
    ...resetProviders,
    ...actAsProviders,
    ...keysProviders,
    ...resourceServersProviders,
    passportStrategy,
    BoundCookies,
    TokenDelivery,
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
    // For `@UseGuards(AccessTokenGuard)`: Nest makes a guard of its own for the module that uses it.
    CurrentRoles,
    AccessDenials,
    RevocationView,
    RedisConnection,
    TokenDelivery,
  ],
})
export class AuthModule extends ConfigurableModuleClass implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    private readonly view: RevocationView,
    private readonly options: AuthOptions,
    @Optional() private readonly own?: OwnDatabase,
  ) {
    super();
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.options.watchRevocations) await this.view.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.view.stop();
    // The module's own hook is the last: what its providers still had to record is recorded.
    await this.own?.close();
  }
}

/** What `AuthModule.forRoot()` accepts. */
export type AuthModuleOptions = GivenAuthOptions & Partial<AuthModuleExtras>;
/** What `AuthModule.forRootAsync()` accepts: a factory of the options and, beside it, the extras. */
export type AuthModuleAsyncOptions = ConfigurableModuleAsyncOptions<GivenAuthOptions> & Partial<AuthModuleExtras>;
