import { randomBytes } from 'node:crypto';
import { EventEmitter2 } from '@nestjs/event-emitter';
import {
  type AuthOptions,
  CleanUpSessionsCommand,
  LogInCommand,
  PasswordHasher,
  type RotationMode,
} from '../../src/auth';
import { AccessTokenAuthenticator } from '../../src/auth/application/access-token.authenticator';
import { ChangePasswordCommand } from '../../src/auth/application/change-password.command';
import { ChangePasswordHandler } from '../../src/auth/application/change-password.handler';
import { CleanUpSessionsHandler } from '../../src/auth/application/clean-up-sessions.handler';
import { LogInHandler } from '../../src/auth/application/log-in.handler';
import { LogOutEverywhereCommand } from '../../src/auth/application/log-out-everywhere.command';
import { LogOutEverywhereHandler } from '../../src/auth/application/log-out-everywhere.handler';
import { LogOutCommand } from '../../src/auth/application/log-out.command';
import { LogOutHandler } from '../../src/auth/application/log-out.handler';
import { RefreshAccessTokenCommand } from '../../src/auth/application/refresh-access-token.command';
import { RefreshAccessTokenHandler } from '../../src/auth/application/refresh-access-token.handler';
import { RefreshJudge } from '../../src/auth/application/refresh-judge';
import { RefreshLimits } from '../../src/auth/application/refresh-limits';
import { RevocationView } from '../../src/auth/application/revocation.view';
import { SecurityPolicyProvider } from '../../src/auth/application/security-policy.provider';
import { SessionOpening } from '../../src/auth/application/session-opening';
import { SessionTermination } from '../../src/auth/application/session-termination';
import { TokenPairIssuer } from '../../src/auth/application/token-pair';
import { TriggerGlobalTokenRotationCommand } from '../../src/auth/application/trigger-global-token-rotation.command';
import { TriggerGlobalTokenRotationHandler } from '../../src/auth/application/trigger-global-token-rotation.handler';
import { TriggerUserTokenRotationCommand } from '../../src/auth/application/trigger-user-token-rotation.command';
import { TriggerUserTokenRotationHandler } from '../../src/auth/application/trigger-user-token-rotation.handler';
import { UserRevocation } from '../../src/auth/application/user-revocation';
import { ValidateRefreshTokenHandler } from '../../src/auth/application/validate-refresh-token.handler';
import { ValidateRefreshTokenQuery } from '../../src/auth/application/validate-refresh-token.query';
import { RefreshTokenKeyRing } from '../../src/auth/domain/refresh-token';
import { InProcessSecurityPolicyCache } from '../../src/auth/infrastructure/defaults/in-process-security-policy.cache';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { RecordedAuthEvents } from '../../src/auth/infrastructure/events/recorded-auth-events';
import { JwtAccessTokenSigner } from '../../src/auth/infrastructure/jwt/jwt-access-token.signer';
import { FlexibleRateLimits } from '../../src/auth/infrastructure/limits/flexible-rate-limits';
import {
  InMemoryAuthEventLog,
  InMemoryRevocationFeed,
  InMemorySecurityPolicyRepository,
  InMemorySessionRepository,
  InMemoryStore,
  InMemoryUnitOfWork,
  InMemoryUserDirectory,
} from '../../src/testing';
import { newUser } from '../ports/adapters';
import { type Driver, LIMITS, type Refreshed } from './driver';
import { PASSWORD } from './model';

/** A hash that costs nothing; the port's promises about queues and time are kept elsewhere. */
class CheapHasher extends PasswordHasher {
  async hash(password: string): Promise<string> {
    return `hash of ${password}`;
  }

  async verify(password: string, hash: string | null): Promise<boolean> {
    return hash === `hash of ${password}`;
  }

  needsRehash(): boolean {
    return false;
  }
}

const options = {
  accessTokenKeys: [{ kid: 'a', secret: randomBytes(32) }],
  accessTokenIssuer: 'issuer',
  accessTokenAudience: 'audience',
  accessTokenTtlSeconds: LIMITS.accessTokenTtlSeconds,
  refreshTokenTtlSeconds: LIMITS.idleTtlSeconds,
  sessionAbsoluteTtlSeconds: LIMITS.absoluteTtlSeconds,
  sessionRetentionSeconds: LIMITS.retentionSeconds,
  replayWindowSeconds: LIMITS.windowSeconds,
  maxReplays: LIMITS.maxReplays,
  retryKeys: true,
  reuseScope: 'session',
  reuseEscalationThreshold: LIMITS.reuseEscalationThreshold,
  maxSessionsPerUser: 0,
  auditDeadlineMs: 60_000,
  auditRetentionSeconds: null,
  maxStalenessSeconds: 600,
  securityCacheTtlSeconds: 60,
  emailClaim: false,
  limits: {
    loginPerAccount: null,
    loginPerIp: null,
    refreshPerSession: null,
    invalidPerIp: null,
    registerPerIp: null,
  },
} as unknown as AuthOptions;
const keys = new RefreshTokenKeyRing([{ id: 1, root: randomBytes(32) }]);
const signer = new JwtAccessTokenSigner(options);
const metrics = new NoMetrics();
const hasher = new CheapHasher();
const limits = new FlexibleRateLimits(options.limits, null, metrics);

// One for all sequences: each of them would cost every promise of the run a hook, or every guard a cache of its own.
const store = new InMemoryStore();
const users = new InMemoryUserDirectory(store);
let view: RevocationView;
const currentView = {
  floorsOf: (userId: string) => view.floorsOf(userId),
  isRevoked: (sessionId: string) => view.isRevoked(sessionId),
} as RevocationView;
const authenticator = new AccessTokenAuthenticator(signer, currentView, users, options);

/** The application's own use cases over the in-memory ports, without a framework, a network or a database. */
export async function inMemoryDriver(): Promise<Driver> {
  const { clock } = store;
  store.policy = null;
  for (const table of [store.sessions, store.users, store.userFloors, store.events]) table.clear();
  store.revocations = [];
  const feed = new InMemoryRevocationFeed(store);
  const policies = new InMemorySecurityPolicyRepository(store, feed);
  const log = new InMemoryAuthEventLog(store);
  const sessions = new InMemorySessionRepository(store, policies, log, feed, LIMITS.retentionSeconds);
  const unitOfWork = new InMemoryUnitOfWork(store);
  const events = new RecordedAuthEvents(log, new EventEmitter2(), metrics, clock, unitOfWork, options);
  const pairs = new TokenPairIssuer(signer, keys, options);
  const revocation = new UserRevocation(sessions, policies);
  const termination = new SessionTermination(unitOfWork, sessions, revocation, log, options);
  const opening = new SessionOpening(unitOfWork, sessions, log, events, keys, pairs, options);
  const judge = new RefreshJudge(keys, sessions, users, options);

  const refresh = new RefreshAccessTokenHandler(
    judge,
    new RefreshLimits(limits),
    sessions,
    termination,
    events,
    keys,
    pairs,
    options,
    clock,
    metrics,
  );
  const validate = new ValidateRefreshTokenHandler(judge);
  const logIn = new LogInHandler(users, policies, hasher, limits, opening, events, clock, metrics);
  const logOut = new LogOutHandler(keys, signer, unitOfWork, sessions, log, events, clock);
  const logOutEverywhere = new LogOutEverywhereHandler(revocation, unitOfWork, log, events, clock);
  const changePassword = new ChangePasswordHandler(
    users,
    sessions,
    hasher,
    limits,
    policies,
    revocation,
    opening,
    unitOfWork,
    events,
    clock,
  );
  const rotateUser = new TriggerUserTokenRotationHandler(users, policies, unitOfWork, log, events, clock);
  const rotateAll = new TriggerGlobalTokenRotationHandler(policies, sessions, unitOfWork, log, events, clock);
  const cleanUp = new CleanUpSessionsHandler(sessions, feed, log, options, metrics);

  /** A guard that has just started: it has read everything, and the clock. */
  const startGuard = async (): Promise<void> => {
    const provider = new SecurityPolicyProvider(policies, new InProcessSecurityPolicyCache(options), metrics);
    view = new RevocationView(feed, provider, options, metrics);
    await view.onApplicationBootstrap();
  };
  await startGuard();

  return {
    agesAccessTokens: true,
    globalFloor: async () => 1,
    openAccount: async () => {
      const user = newUser({ passwordHash: await hasher.hash(PASSWORD) });
      await users.add(user);
      return { id: user.id, login: user.email };
    },
    logIn: async ({ login }, password) => (await logIn.execute(new LogInCommand(login, password)))._unsafeUnwrap(),
    refresh: async (token, key) =>
      (await refresh.execute(new RefreshAccessTokenCommand(token, {}, key))).match<Refreshed>(
        (pair) => pair,
        ({ reason }) => reason,
      ),
    validate: async (token) =>
      (await validate.execute(new ValidateRefreshTokenQuery(token))).match<number | string>(
        ({ generation }) => generation,
        ({ reason }) => reason,
      ),
    admits: async (accessToken) => authenticator.authenticate(accessToken) !== null,
    logOut: async (refreshToken) => {
      await logOut.execute(new LogOutCommand({ refreshToken }));
    },
    logOutEverywhere: ({ id }) => logOutEverywhere.execute(new LogOutEverywhereCommand(id)),
    changePassword: async ({ id }, { sessionId }, from, to) =>
      (await changePassword.execute(new ChangePasswordCommand(id, sessionId, from, to)))._unsafeUnwrap().pair,
    raiseUserFloor: async ({ id }) => {
      (await rotateUser.execute(new TriggerUserTokenRotationCommand(id, 'a test')))._unsafeUnwrap();
    },
    raiseGlobalFloor: async (mode: RotationMode, graceSeconds) => {
      (await rotateAll.execute(new TriggerGlobalTokenRotationCommand('a test', mode, graceSeconds)))._unsafeUnwrap();
    },
    pass: async (seconds) => {
      clock.advance(seconds);
      await view.onApplicationShutdown();
      await startGuard();
    },
    cleanUp: async () => {
      await cleanUp.execute(new CleanUpSessionsCommand());
    },
    endings: async () => {
      await events.onApplicationShutdown(); // also those that nobody waits for are stored then
      const attempts = new Map<string, { begun: number; ended: number }>();
      for (const { attemptId, type } of store.events.values()) {
        const step = /\.(attempted|succeeded|failed)\.v1$/.exec(type)?.[1];
        if (attemptId === null || step === undefined) continue;
        const known = attempts.get(attemptId) ?? { begun: 0, ended: 0 };
        if (step === 'attempted') known.begun++;
        else known.ended++;
        attempts.set(attemptId, known);
      }
      return [...attempts].map(([attemptId, counts]) => ({ attemptId, ...counts }));
    },
    close: async () => {
      await view.onApplicationShutdown();
      await events.onApplicationShutdown();
    },
  };
}
