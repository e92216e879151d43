/**
 * The guard and its decorators for a Nest service without a database.
 * @module nest-ratchet/resource-server/nest
 */
import {
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type DynamicModule,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { AccessTokenAuthenticator } from '../guard/access-token.authenticator';
import { AccessTokenGuard } from '../guard/nest/access-token.guard';
import { RefusalFilter } from '../guard/nest/refusal.filter';
import { RevocationView } from '../guard/revocation.view';
import { completeResourceServerOptions, type ResourceServerOptions } from './options';
import { RatchetVerifier } from './verifier';

export { AccessTokenAuthenticator } from '../guard/access-token.authenticator';
export { AccessTokenGuard } from '../guard/nest/access-token.guard';
export { CurrentPrincipal, Public, RequireAuth, Roles } from '../guard/nest/decorators';
export { ProblemDetailsFilter } from '../guard/nest/problem-details.filter';
export { ProblemException } from '../guard/nest/problem.exception';
export type { Origins } from '../guard/origins';
export type { Principal } from '../guard/principal';
export { RevocationView } from '../guard/revocation.view';
export { Overloaded } from '../support/overloaded';
export { InvalidResourceServerOptions, type ResourceServerOptions } from './options';

/** What decides the module's providers: with `forRootAsync` it is given beside `useFactory`. */
export interface ResourceServerExtras {
  /** Makes the guard and the authenticator visible to every module. */
  readonly isGlobal?: boolean;
  /** Puts the guard on every route of the application; `@Public()` opens one. */
  readonly globalGuard?: boolean;
}

const defaults = { isGlobal: true, globalGuard: true } satisfies ResourceServerExtras;

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<ResourceServerOptions>()
  .setClassMethodName('forRoot')
  .setExtras<ResourceServerExtras>(defaults, (definition, extras): DynamicModule => {
    const { isGlobal, globalGuard } = { ...defaults, ...extras };
    return {
      ...definition,
      global: isGlobal,
      providers: [
        ...(definition.providers ?? []),
        ...(globalGuard ? [{ provide: APP_GUARD, useExisting: AccessTokenGuard }] : []),
      ],
    };
  })
  .build();

/**
 * The guard of a service that has neither auth's database nor its secrets: it verifies by the public keys, and follows the
 * revocations. The roles are those in the token.
 */
@Module({
  providers: [
    {
      provide: RatchetVerifier,
      inject: [MODULE_OPTIONS_TOKEN],
      useFactory: (options: ResourceServerOptions) =>
        new RatchetVerifier(completeResourceServerOptions(options), new Logger(RatchetVerifier.name)),
    },
    { provide: RevocationView, inject: [RatchetVerifier], useFactory: ({ view }: RatchetVerifier) => view },
    {
      provide: AccessTokenAuthenticator,
      inject: [RatchetVerifier],
      useFactory: ({ authenticator }: RatchetVerifier) => authenticator,
    },
    AccessTokenGuard,
    { provide: APP_FILTER, useClass: RefusalFilter },
  ],
  exports: [AccessTokenAuthenticator, AccessTokenGuard, RevocationView],
})
export class ResourceServerModule
  extends ConfigurableModuleClass
  implements OnApplicationBootstrap, OnApplicationShutdown
{
  constructor(private readonly verifier: RatchetVerifier) {
    super();
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.verifier.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.verifier.stop();
  }
}

/** What `ResourceServerModule.forRoot()` accepts. */
export type ResourceServerModuleOptions = ResourceServerOptions & Partial<ResourceServerExtras>;
/** What `ResourceServerModule.forRootAsync()` accepts: a factory of the options and, beside it, the extras. */
export type ResourceServerModuleAsyncOptions = ConfigurableModuleAsyncOptions<ResourceServerOptions> &
  Partial<ResourceServerExtras>;
