import { Logger, type Provider } from '@nestjs/common';
import { AccessTokenAuthenticator } from '../../guard/access-token.authenticator';
import { AccessTokenGuard } from '../../guard/nest/access-token.guard';
import { originsOf } from '../../guard/origins';
import { AccessTokenKeys } from '../../guard/ports/access-token.keys';
import { CurrentRoles } from '../../guard/ports/current-roles';
import { RevocationFeed } from '../../guard/ports/revocation.feed';
import { RevocationView } from '../../guard/revocation.view';
import { loaded } from '../../support/packages';
import { SessionChallenges } from '../domain/dbsc';
import { DpopNonces } from '../domain/dpop-nonces';
import { RefreshTokenKeyRing } from '../domain/refresh-token';
import { ResetTicketSeal } from '../domain/reset-ticket';
import { VerifiedUserSeal } from '../domain/verified-user';
import { AuthOptions } from '../options/auth.options';
import { AccessTokenSigner } from '../ports/access-token.signer';
import { AuthEvents } from '../ports/auth-events';
import { AuthMetrics } from '../ports/auth-metrics';
import { PasswordHasher } from '../ports/password-hasher';
import { RateLimits } from '../ports/rate-limits';
import { SeenProofs } from '../ports/seen-proofs';
import { DirectoryRoles } from './defaults/directory-roles';
import { RecordedAuthEvents } from './events/recorded-auth-events';
import { JwtAccessTokenSigner } from './jwt/jwt-access-token.signer';
import { FlexibleRateLimits } from './limits/flexible-rate-limits';
import { RememberedProofs } from './proofs/remembered-proofs';
import { RedisConnection } from './redis/redis-connection';

/** How long after a bound cookie has expired the challenge beside it is still fresh. */
const CHALLENGE_SLACK_SECONDS = 300;

/** The default implementations of the ports, except those that hold state. */
export const adapters: readonly Provider[] = [
  {
    provide: RefreshTokenKeyRing,
    inject: [AuthOptions],
    useFactory: (options: AuthOptions) => new RefreshTokenKeyRing(options.refreshTokenKeys),
  },
  {
    provide: VerifiedUserSeal,
    inject: [AuthOptions],
    useFactory: (options: AuthOptions) => new VerifiedUserSeal(options.refreshTokenKeys),
  },
  {
    provide: ResetTicketSeal,
    inject: [AuthOptions],
    useFactory: (options: AuthOptions) => new ResetTicketSeal(options.refreshTokenKeys),
  },
  {
    provide: DpopNonces,
    inject: [AuthOptions],
    useFactory: (options: AuthOptions) => new DpopNonces(options.refreshTokenKeys),
  },
  {
    provide: SessionChallenges,
    inject: [AuthOptions],
    // Given with one bound cookie, and signed for the next one.
    useFactory: (options: AuthOptions) =>
      new SessionChallenges(options.refreshTokenKeys, options.accessTokenTtlSeconds + CHALLENGE_SLACK_SECONDS),
  },
  {
    provide: PasswordHasher,
    inject: [AuthOptions, AuthMetrics],
    // Loaded here: a host with a hasher of its own installs no bcrypt.
    useFactory: (options: AuthOptions, metrics: AuthMetrics) => {
      const { BcryptPasswordHasher } = loaded(
        'AuthModule without a PasswordHasher of yours',
        () => require('./bcrypt/bcrypt-password-hasher') as typeof import('./bcrypt/bcrypt-password-hasher'),
      );
      return new BcryptPasswordHasher(options, metrics);
    },
  },
  JwtAccessTokenSigner,
  { provide: AccessTokenSigner, useExisting: JwtAccessTokenSigner },
  { provide: AccessTokenKeys, useExisting: JwtAccessTokenSigner },
  { provide: AuthEvents, useClass: RecordedAuthEvents },
  {
    provide: RedisConnection,
    inject: [AuthOptions],
    useFactory: ({ redis }: AuthOptions) => (redis === null ? null : new RedisConnection(redis)),
  },
  {
    provide: RateLimits,
    inject: [AuthOptions, RedisConnection, AuthMetrics],
    useFactory: ({ limits }: AuthOptions, redis: RedisConnection | null, metrics: AuthMetrics) =>
      new FlexibleRateLimits(limits, redis, metrics),
  },
  {
    provide: SeenProofs,
    inject: [RedisConnection],
    useFactory: (redis: RedisConnection | null) => new RememberedProofs(redis),
  },
];

/** The guard's classes, which know no framework, with auth's parts in their ports. */
export const guard: readonly Provider[] = [
  {
    provide: RevocationView,
    inject: [RevocationFeed, AuthOptions, AuthMetrics],
    useFactory: (feed: RevocationFeed, options: AuthOptions, metrics: AuthMetrics) =>
      new RevocationView(feed, options, new Logger(RevocationView.name), metrics),
  },
  {
    provide: AccessTokenAuthenticator,
    inject: [AccessTokenKeys, RevocationView, AuthOptions],
    useFactory: (keys: AccessTokenKeys, view: RevocationView, options: AuthOptions) =>
      new AccessTokenAuthenticator(keys, view, options, originsOf(options.publicOrigin, options.corsOrigins)),
  },
  { provide: CurrentRoles, useClass: DirectoryRoles },
  AccessTokenGuard,
];
