import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { EventEmitter2 } from '@nestjs/event-emitter';
import {
  type AuthOptions,
  CleanUpSessionsCommand,
  LogInCommand,
  PasswordHasher,
  type CutOffMode,
  type Session,
} from '../../src';
import { DbscProofs } from '../../src/auth/application/dbsc-proofs';
import { DpopProofs } from '../../src/auth/application/dpop-proofs';
import { KeyProofs } from '../../src/auth/application/key-proofs';
import { HostUsers } from '../../src/auth/application/host-users';
import { RecordedChange } from '../../src/auth/application/recorded-change';
import { PasswordCheck } from '../../src/auth/application/password-check';
import { ReauthenticateCommand } from '../../src/auth/application/refresh/reauthenticate.command';
import { ReauthenticateHandler } from '../../src/auth/application/refresh/reauthenticate.handler';
import { RefreshAccessTokenCommand } from '../../src/auth/application/refresh/refresh-access-token.command';
import { RefreshAccessTokenHandler } from '../../src/auth/application/refresh/refresh-access-token.handler';
import { RefreshJudge } from '../../src/auth/application/refresh/refresh-judge';
import { RefreshLimits } from '../../src/auth/application/refresh/refresh-limits';
import { ValidateRefreshTokenHandler } from '../../src/auth/application/refresh/validate-refresh-token.handler';
import { ValidateRefreshTokenQuery } from '../../src/auth/application/refresh/validate-refresh-token.query';
import { CleanUpSessionsHandler } from '../../src/auth/application/sessions/clean-up-sessions.handler';
import type { EndedSessionsMarker } from '../../src/auth/application/sessions/ended-sessions.marker';
import { LogOutEverywhereHandler } from '../../src/auth/application/sessions/end-user-sessions.handlers';
import { LogOutEverywhereCommand } from '../../src/auth/application/sessions/log-out-everywhere.command';
import { LogOutCommand } from '../../src/auth/application/sessions/log-out.command';
import { LogOutLimits } from '../../src/auth/application/sessions/log-out-limits';
import { LogOutHandler } from '../../src/auth/application/sessions/log-out.handler';
import { SessionCredentials } from '../../src/auth/application/sessions/session-credentials';
import { SessionLimit } from '../../src/auth/application/sessions/session-limit';
import { SessionTermination } from '../../src/auth/application/sessions/session-termination';
import { UserRevocation } from '../../src/auth/application/sessions/user-revocation';
import { ChangePasswordCommand } from '../../src/auth/application/sign-in/change-password.command';
import { ChangePasswordHandler } from '../../src/auth/application/sign-in/change-password.handler';
import { LogInHandler } from '../../src/auth/application/sign-in/log-in.handler';
import { OpenSession } from '../../src/auth/application/sign-in/open-session';
import { PasswordProof } from '../../src/auth/application/sign-in/password-proof';
import { TokenPairIssuer } from '../../src/auth/application/token-pair.issuer';
import { RecoverAfterFailoverCommand } from '../../src/auth/application/versions/recover-after-failover.command';
import { RecoverAfterFailoverHandler } from '../../src/auth/application/versions/recover-after-failover.handler';
import { TriggerGlobalTokenRotationCommand } from '../../src/auth/application/versions/trigger-global-token-rotation.command';
import { TriggerGlobalTokenRotationHandler } from '../../src/auth/application/versions/trigger-global-token-rotation.handler';
import { TriggerUserTokenRotationCommand } from '../../src/auth/application/versions/trigger-user-token-rotation.command';
import { TriggerUserTokenRotationHandler } from '../../src/auth/application/versions/trigger-user-token-rotation.handler';
import { SessionChallenges } from '../../src/auth/domain/dbsc';
import { DpopNonces } from '../../src/auth/domain/dpop-nonces';
import { RefreshTokenKeyRing } from '../../src/auth/domain/refresh-token';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { RecordedAuthEvents } from '../../src/auth/infrastructure/events/recorded-auth-events';
import { JwtAccessTokenSigner } from '../../src/auth/infrastructure/jwt/jwt-access-token.signer';
import { FlexibleRateLimits } from '../../src/auth/infrastructure/limits/flexible-rate-limits';
import { RememberedProofs } from '../../src/auth/infrastructure/proofs/remembered-proofs';
import { AccessTokenAuthenticator } from '../../src/guard/access-token.authenticator';
import { RevocationView } from '../../src/guard/revocation.view';
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
import { type Device, ORIGIN } from '../support/dpop';
import { granted } from '../support/result';
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
  dpop: 'refresh',
  publicOrigin: ORIGIN,
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
    loginAnywhere: null,
    loginPerIp: null,
    refreshPerSession: null,
    refreshPerUser: null,
    invalidPerIp: null,
    logoutPerSession: null,
    logoutPerIp: null,
    registerPerIp: null,
    listPerUser: null,
  },
} as unknown as AuthOptions;
const roots = [{ id: 1, root: randomBytes(32) }];
const keys = new RefreshTokenKeyRing(roots);
const nonces = new DpopNonces(roots);
const signer = new JwtAccessTokenSigner(options);
const metrics = new NoMetrics();
const hasher = new CheapHasher();
const limits = new FlexibleRateLimits(options.limits, null, metrics);

// One for all sequences: each of them would cost every promise of the run a hook, or every guard a cache of its own.
const store = new InMemoryStore();
const users = new InMemoryUserDirectory(store);
const hostUsers = new HostUsers(users);
let view: RevocationView;
const currentView = {
  floorsOf: (userId: string) => view.floorsOf(userId),
  isRevoked: (sessionId: string) => view.isRevoked(sessionId),
  get otherServerAnswered() {
    return view.otherServerAnswered;
  },
} as RevocationView;
const authenticator = new AccessTokenAuthenticator(signer, currentView, options);

/** The application's own use cases over the in-memory ports, without a framework, a network or a database. */
export async function inMemoryDriver(): Promise<Driver> {
  const { clock } = store;
  store.policy = null;
  for (const table of [store.sessions, store.users, store.userFloors, store.events]) table.clear();
  store.revocations = [];
  store.recoveryUntil = null;
  const feed = new InMemoryRevocationFeed(store);
  const policies = new InMemorySecurityPolicyRepository(store, feed);
  const log = new InMemoryAuthEventLog(store);
  const sessions = new InMemorySessionRepository(store, policies, log, feed, LIMITS.retentionSeconds);
  const unitOfWork = new InMemoryUnitOfWork(store);
  const events = new RecordedAuthEvents(log, new EventEmitter2(), metrics, clock, unitOfWork, options);
  const pairs = new TokenPairIssuer(signer, keys, options);
  // Held until time passes: what a token is worth never depends on it.
  const marker = { markAfterCommit: () => undefined } as unknown as EndedSessionsMarker;
  const revocation = new UserRevocation(sessions, policies, marker);
  const changes = new RecordedChange(unitOfWork, log, events);
  const termination = new SessionTermination(changes, sessions, revocation, options);
  const limit = new SessionLimit(sessions, changes, options, clock);
  const openSession = new OpenSession(sessions, keys, pairs, limit, options);
  const proofs = new DpopProofs(nonces, new RememberedProofs(null), options, clock);
  const proofOf = (device: Device | undefined) =>
    device && {
      kind: 'dpop' as const,
      jwt: device.proof(`${ORIGIN}/here`, nonces.current(clock.now())),
      method: 'POST',
      path: '/here',
    };
  const device = new DbscProofs(new SessionChallenges(roots, 600), clock);
  const judge = new RefreshJudge(keys, sessions, hostUsers, options, currentView);

  const refresh = new RefreshAccessTokenHandler(
    judge,
    new KeyProofs(proofs, device, authenticator),
    new RefreshLimits(limits),
    sessions,
    termination,
    changes,
    events,
    keys,
    pairs,
    options,
    clock,
    metrics,
  );
  const validate = new ValidateRefreshTokenHandler(judge);
  const check = new PasswordCheck(hostUsers, hasher, limits);
  const reauthenticate = new ReauthenticateHandler(refresh, check, hostUsers, hasher, clock);
  const passwords = new PasswordProof(hostUsers, policies, hasher, check, events, clock, metrics);
  const logIn = new LogInHandler(proofs, passwords, openSession, changes);
  const logOutLimits = new LogOutLimits(limits);
  const credentials = new SessionCredentials(keys, signer);
  const logOut = new LogOutHandler(credentials, changes, sessions, logOutLimits, events, clock);
  const logOutEverywhere = new LogOutEverywhereHandler(hostUsers, revocation, logOutLimits, changes, events, clock);
  const changePassword = new ChangePasswordHandler(
    hostUsers,
    sessions,
    hasher,
    limits,
    policies,
    revocation,
    openSession,
    changes,
    events,
    clock,
  );
  const rotateUser = new TriggerUserTokenRotationHandler(hostUsers, policies, changes, events, clock);
  const rotateAll = new TriggerGlobalTokenRotationHandler(policies, sessions, changes, events, clock);
  const recover = new RecoverAfterFailoverHandler(policies, changes, events, clock);
  const cleanUp = new CleanUpSessionsHandler(sessions, limit, feed, log, options, metrics);

  /** A guard that has just started: it has read everything, and the clock. */
  const startGuard = async (): Promise<void> => {
    view = new RevocationView(feed, options, new Logger(), metrics);
    await view.start();
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
    logIn: async ({ login }, password, device) =>
      granted(await logIn.execute(new LogInCommand(login, password, {}, 'body', proofOf(device)))),
    refresh: async (token, key, device): Promise<Refreshed> => {
      const command = new RefreshAccessTokenCommand(token, {}, key, 'body', proofOf(device));
      const answer = await refresh.execute(command);
      return answer.ok ? answer.value : answer.reason.reason;
    },
    reauthenticate: async (token, password, key, device): Promise<Refreshed> => {
      const command = new ReauthenticateCommand(token, password, {}, key, 'body', proofOf(device));
      const answer = await reauthenticate.execute(command);
      if (answer.ok) return answer.value;
      return answer.reason.kind === 'invalid_credentials' ? answer.reason.kind : answer.reason.reason;
    },
    validate: async (token) => {
      const answer = await validate.execute(new ValidateRefreshTokenQuery(token));
      return answer.ok ? answer.value.generation : answer.reason.reason;
    },
    admits: async (accessToken) => (await authenticator.authenticate(accessToken)) !== null,
    logOut: async (refreshToken) => {
      await logOut.execute(new LogOutCommand({ refreshToken }));
    },
    logOutEverywhere: ({ id }) => logOutEverywhere.execute(new LogOutEverywhereCommand(id)),
    changePassword: async ({ id }, { sessionId }, from, to) =>
      granted(await changePassword.execute(new ChangePasswordCommand(id, sessionId, from, to))).pair,
    raiseUserFloor: async ({ id }) => {
      granted(await rotateUser.execute(new TriggerUserTokenRotationCommand(id, 'a test')));
    },
    raiseGlobalFloor: async (mode: CutOffMode, graceSeconds) => {
      granted(await rotateAll.execute(new TriggerGlobalTokenRotationCommand('a test', mode, graceSeconds)));
    },
    pass: async (seconds) => {
      await sessions.markEnded(null);
      clock.advance(seconds);
      await view.stop();
      await startGuard();
    },
    cleanUp: async () => {
      await cleanUp.execute(new CleanUpSessionsCommand());
    },
    moveRecovery: async (seconds) => {
      await recover.execute(new RecoverAfterFailoverCommand('a test', seconds));
    },
    rowOf: async (sessionId) => store.sessions.get(sessionId),
    putBack: async (sessionId, row) => void store.sessions.set(sessionId, row as Session),
    endings: async () => {
      await events.onApplicationShutdown(); // also those that nobody waits for are stored then
      const attempts = new Map<string, { begun: number; ended: number }>();
      for (const { attemptId, type } of (await log.find({}, Infinity)).items) {
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
      await view.stop();
      await events.onApplicationShutdown();
    },
  };
}
