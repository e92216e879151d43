export { AuthModule, type AuthModuleAsyncOptions, type AuthModuleOptions } from './auth.module';
export { authEntities, authMigrations } from './infrastructure/typeorm/schema';
export { RedisConnection } from './infrastructure/redis/redis-connection';
export { TypeOrmUnitOfWork } from './infrastructure/typeorm/typeorm-unit-of-work';
export { AuthOptions, type AccessTokenKey, type Limit } from './ports/auth.options';
export {
  AUTH_DEFAULTS,
  AUTH_RANGES,
  completeOptions,
  type GivenAuthOptions,
  InvalidAuthOptions,
  isOrigin,
  KEY_RULES,
  LONGEST_TIMER_SECONDS,
} from './ports/complete-options';
export { AccessTokenSigner, type AccessTokenClaims } from './ports/access-token.signer';
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
export { Overloaded } from './domain/overloaded';
export { PasswordHasher } from './ports/password-hasher';
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
export { UnitOfWork } from './ports/unit-of-work';
export {
  UserDirectory,
  type DirectoryChange,
  type DirectoryUser,
  type UserTable,
  type UserWithPassword,
} from './ports/user-directory';
export {
  RevocationFeed,
  type Revocation,
  type RevocationReading,
  type RevocationWatcher,
} from './ports/revocation.feed';
export { SecurityPolicyCache } from './ports/security-policy.cache';
export { type Actor } from './application/actor';
export {
  type ChangedPassword,
  ChangePasswordCommand,
  type PasswordChangeRefusal,
} from './application/change-password.command';
export { GetSecurityPolicyQuery } from './application/get-security-policy.query';
export { LogOutEverywhereCommand } from './application/log-out-everywhere.command';
export { RecoverAfterRestoreCommand, type Recovery } from './application/recover-after-restore.command';
export { RevocationView } from './application/revocation.view';
export { CleanUpSessionsCommand, type CleanUp } from './application/clean-up-sessions.command';
export { GetSessionHistoryQuery } from './application/get-session-history.query';
export { ListSessionsQuery, type ListedSession } from './application/list-sessions.query';
export { type GlobalRotationPreview, PreviewGlobalRotationQuery } from './application/preview-global-rotation.query';
export { RevokeAnySessionCommand } from './application/revoke-any-session.command';
export { RevokeOtherSessionsCommand } from './application/revoke-other-sessions.command';
export { RevokeSessionCommand } from './application/revoke-session.command';
export { RateLimits, type LimitName } from './ports/rate-limits';
export { Throttled } from './domain/throttled';
export { RevokeUserSessionsCommand } from './application/revoke-user-sessions.command';
export { SetUserActiveCommand, type UserChangeRefusal } from './application/set-user-active.command';
export { SetUserRolesCommand } from './application/set-user-roles.command';
export {
  type GlobalRotation,
  TriggerGlobalTokenRotationCommand,
} from './application/trigger-global-token-rotation.command';
export { TriggerUserTokenRotationCommand, type UserRotation } from './application/trigger-user-token-rotation.command';
export { UpdateGracePeriodCommand } from './application/update-grace-period.command';
export { MAX_GRACE_SECONDS, ROTATION_MODES, type RotationMode } from './domain/versions';
export { AccessTokenAuthenticator } from './application/access-token.authenticator';
export { Attempt } from './application/attempt';
export { FindAuthEventsQuery, type AuthEventPage } from './application/find-auth-events.query';
export { LogInCommand } from './application/log-in.command';
export { LogOutCommand, type LogOutToken } from './application/log-out.command';
export { type Principal } from './application/principal';
export { RefreshAccessTokenCommand } from './application/refresh-access-token.command';
export { type TokenPair } from './application/token-pair';
export { ValidateRefreshTokenQuery, type ValidRefreshToken } from './application/validate-refresh-token.query';
export { loginSpelling } from './domain/login';
export { passwordProblem } from './domain/password-rules';
export { type RefreshRefusal, REVOCATION_REASONS, type RefusalReason, type RevocationReason } from './domain/refusals';
export { type Client, type Delivery, type NewSession, type Session } from './domain/session';
export { type Floors, type SecurityPolicy, stampsOf } from './domain/versions';
export {
  AllSessionsRevoked,
  AUTH_EVENTS,
  type AuthEvent,
  type AuthEventClass,
  AuthTokenRefreshAttempted,
  AuthTokenRefreshFailed,
  AuthTokenRefreshSucceeded,
  classOf,
  type EventContext,
  type EventOutcome,
  LoginAttempted,
  LoginFailed,
  LoginSucceeded,
  LogoutAttempted,
  LogoutFailed,
  LogoutSucceeded,
  RefreshTokenReuseDetected,
  RefusalsAggregated,
  SessionCreated,
  SessionEvicted,
  SessionRevoked,
  TokenForgerySuspected,
  TokenRejectedDueToRotation,
  PasswordChangeAttempted,
  PasswordChangeSucceeded,
  PasswordChangeFailed,
  UserDeactivated,
  UserReactivated,
  UserRolesChanged,
  GlobalRotationAttempted,
  GlobalRotationSucceeded,
  GlobalRotationFailed,
  UserRotationAttempted,
  UserRotationSucceeded,
  UserRotationFailed,
  SecurityPolicyChanged,
  UserRegistered,
} from './domain/events';
export { AccessTokenGuard } from './http/access-token.guard';
export { AccessTokenStrategy } from './http/access-token.strategy';
export { ApiProblems } from './http/api-problems';
export { CurrentPrincipal, NoStore, Public, Roles } from './http/decorators';
export { actorOf, bearerOf, clientOf, type HttpRequest } from './http/http-request';
export { configureHttp, fastifyOptions, type HttpOptions } from './http/http-server';
export { ProblemDetails } from './http/problem-details.dto';
export { ProblemDetailsFilter } from './http/problem-details.filter';
export { invalidRequest, ProblemException, type FieldError, type Problem } from './http/problem.exception';
export { RotateUserDto } from './http/security-policy.dto';
export { openApiDocument, setupSwagger } from './http/swagger';
export { IfPresent, IsPlainText, uuidPipe, validationPipe } from './http/validation.pipe';
