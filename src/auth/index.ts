/* For hosts: the module, its options, the use cases, the events. */
export { AuthModule, type AuthModuleAsyncOptions, type AuthModuleOptions } from './auth.module';
export { type AuthSchema, authSchema } from './infrastructure/postgres/schema';
export { AuthOptions, type AccessTokenKey, type Limit, type LimitName } from './options/auth.options';
export {
  AUTH_DEFAULTS,
  completeOptions,
  type GivenAuthOptions,
  InvalidAuthOptions,
  type OptionProblem,
} from './options/complete-options';
export { InvalidInput } from '../support/invalid-input';
export { Overloaded } from '../support/overloaded';
export { Throttled } from '../support/throttled';
export { type Actor } from './application/actor';
export { type TokenPair } from './application/token-pair.issuer';
export { FindAuthEventsQuery, type AuthEventPage } from './application/history/find-auth-events.query';
export { GetSessionHistoryQuery } from './application/history/get-session-history.query';
export { RefreshAccessTokenCommand } from './application/refresh/refresh-access-token.command';
export { ValidateRefreshTokenQuery, type ValidRefreshToken } from './application/refresh/validate-refresh-token.query';
export { CleanUpSessionsCommand, type CleanUp } from './application/sessions/clean-up-sessions.command';
export { ListSessionsQuery, type ListedSession } from './application/sessions/list-sessions.query';
export { LogOutCommand, type LogOutToken } from './application/sessions/log-out.command';
export { LogOutEverywhereCommand } from './application/sessions/log-out-everywhere.command';
export { RevokeOtherSessionsCommand } from './application/sessions/revoke-other-sessions.command';
export { RevokeSessionCommand } from './application/sessions/revoke-session.command';
export { RevokeUserSessionsCommand } from './application/sessions/revoke-user-sessions.command';
export {
  type ChangedPassword,
  ChangePasswordCommand,
  type PasswordChangeRefusal,
} from './application/sign-in/change-password.command';
export { LogInCommand } from './application/sign-in/log-in.command';
export { SetUserActiveCommand, type UserChangeRefusal } from './application/users/set-user-active.command';
export { SetUserRolesCommand } from './application/users/set-user-roles.command';
export { GetSecurityPolicyQuery } from './application/versions/get-security-policy.query';
export {
  type GlobalRotationPreview,
  PreviewGlobalRotationQuery,
} from './application/versions/preview-global-rotation.query';
export { RecoverAfterRestoreCommand, type Recovery } from './application/versions/recover-after-restore.command';
export {
  type GlobalRotation,
  TriggerGlobalTokenRotationCommand,
} from './application/versions/trigger-global-token-rotation.command';
export {
  TriggerUserTokenRotationCommand,
  type UserRotation,
} from './application/versions/trigger-user-token-rotation.command';
export { UpdateGracePeriodCommand } from './application/versions/update-grace-period.command';
export { loginSpelling } from './domain/login';
export { passwordProblem } from './domain/password-rules';
export { type RefreshRefusal, REVOCATION_REASONS, type RefusalReason, type RevocationReason } from './domain/refusals';
export { ok, refusal, type Result } from './domain/result';
export { type Client, type Delivery, lastUsedFirst, type NewSession, type Session } from './domain/session';
export {
  AllSessionsRevoked,
  AUTH_EVENTS,
  type AuthEvent,
  type AuthEventClass,
  AuthTokenRefreshAttempted,
  AuthTokenRefreshFailed,
  AuthTokenRefreshSucceeded,
  classOf,
  detailsOf,
  type EventContext,
  type EventOutcome,
  GlobalRotationAttempted,
  GlobalRotationFailed,
  GlobalRotationSucceeded,
  LoginAttempted,
  LoginFailed,
  LoginSucceeded,
  LogoutAttempted,
  LogoutFailed,
  LogoutSucceeded,
  PasswordChangeAttempted,
  PasswordChangeFailed,
  PasswordChangeSucceeded,
  RefreshTokenReuseDetected,
  RefusalsAggregated,
  SecurityPolicyChanged,
  SessionCreated,
  SessionEvicted,
  SessionRevoked,
  TokenForgerySuspected,
  TokenRejectedDueToRotation,
  UserDeactivated,
  UserReactivated,
  UserRegistered,
  UserRolesChanged,
  UserRotationAttempted,
  UserRotationFailed,
  UserRotationSucceeded,
} from './domain/events';
export { actorOf, clientOf } from './http/kit/client-of';
export { configureHttp, fastifyOptions, type HttpOptions } from './http/kit/http-server';
export { NoStore } from './http/kit/no-store';

/* For those who implement a port, or use one. */
export { AccessTokenSigner } from './ports/access-token.signer';
export {
  AuthEventLog,
  type EventFilter,
  type EventOrder,
  type EventPosition,
  type RecordedEvent,
} from './ports/auth-event.log';
export { AuthEvents } from './ports/auth-events';
export { AuthMetrics } from './ports/auth-metrics';
export { Clock } from './ports/clock';
export { PasswordHasher } from './ports/password-hasher';
export { RateLimits } from './ports/rate-limits';
export { type GlobalRaise, SecurityPolicyRepository } from './ports/security-policy.repository';
export {
  type LiveToken,
  type NextToken,
  type RefreshReading,
  type RefreshRecord,
  type Replay,
  SessionRepository,
  type SomeSessions,
} from './ports/session.repository';
export { callAfterCommit, UnitOfWork } from './ports/unit-of-work';
export {
  administers,
  type DirectoryChange,
  type DirectoryUser,
  UserDirectory,
  type UserTable,
  type UserWithPassword,
} from './ports/user-directory';

/* For Ratchet's own application; what documents its routes is in ./http. */
export { Attempt } from './application/attempt';
export { RecordedChange } from './application/recorded-change';
export { spelledByDirectory } from './application/user-id';
export {
  controlProblem,
  graceOfModeProblem,
  idProblem,
  MAX_VERSION,
  plainTextProblem,
  reasonProblem,
  userIdProblem,
} from './domain/input-rules';
export { RedisConnection } from './infrastructure/redis/redis-connection';
export { names } from './infrastructure/postgres/names';
export { TypeOrmUnitOfWork } from './infrastructure/postgres/typeorm-unit-of-work';
export {
  type IncompleteAuthOptions,
  optionProblems,
  POSTGRES_URL,
  SCHEMA_NAME,
  withDefaults,
} from './options/complete-options';
