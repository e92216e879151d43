/* For hosts: the module, its options, the use cases, the events. */
export { AuthModule, type AuthModuleAsyncOptions, type AuthModuleExtras, type AuthModuleOptions } from './auth.module';
export { postgresStorage, type PostgresStorageOptions } from './infrastructure/postgres/providers';
export { type AuthSchema, authSchema } from './infrastructure/postgres/schema';
export type {
  AccessTokenKey,
  PrivateSigningKey,
  PublicJwk,
  PublicVerifyingKey,
  SecretKey,
} from './domain/access-token-key';
export {
  AuthOptions,
  type Limit,
  LIMIT_NAMES,
  type LimitName,
  type RedisSettings,
  type ResourceServer,
} from './options/auth.options';
export { AUTH_DEFAULTS, completeOptions, type GivenAuthOptions } from './options/complete-options';
export {
  type GivenOwnDatabase,
  type GivenPostgresSettings,
  type OwnDatabaseSettings,
  POSTGRES_DEFAULTS,
} from './options/postgres.settings';
export { InvalidAuthOptions, type OptionProblem } from './options/rules';
export { InvalidInput } from '../support/invalid-input';
export { type PagePosition } from '../support/cursor';
export { Overloaded } from '../support/overloaded';
export { ProofProblem } from '../support/proof-problem';
export { Throttled } from '../support/throttled';
export { type Actor } from './application/actor';
export { type ActingToken, type TokenPair, type TokenType } from './application/token-pair.issuer';
export { type ActingAs, ActAsUserCommand } from './application/act-as/act-as-user.command';
export { CountRareEventsQuery, type RareEvents } from './application/history/count-rare-events.query';
export { FindAuthEventsQuery } from './application/history/find-auth-events.query';
export { GetSessionHistoryQuery } from './application/history/get-session-history.query';
export { GetPublicKeysQuery } from './application/keys/get-public-keys.query';
export { ReauthenticateCommand, type ReauthenticationRefusal } from './application/refresh/reauthenticate.command';
export { RefreshAccessTokenCommand } from './application/refresh/refresh-access-token.command';
export { type Factor, StepUpSessionCommand } from './application/refresh/step-up-session.command';
export { ValidateRefreshTokenQuery, type ValidRefreshToken } from './application/refresh/validate-refresh-token.query';
export { IssueResetTicketCommand } from './application/reset/issue-reset-ticket.command';
export { type PasswordResetRefusal, ResetPasswordCommand } from './application/reset/reset-password.command';
export {
  type CleanUp,
  type CleanUpFailure,
  CleanUpSessionsCommand,
} from './application/sessions/clean-up-sessions.command';
export { type FactorChange, FactorChangedCommand } from './application/sessions/factor-changed.command';
export {
  type ListedSession,
  type ListedSessions,
  type ListSessionsOptions,
  ListSessionsQuery,
} from './application/sessions/list-sessions.query';
export { LogOutCommand, type LogOutToken } from './application/sessions/log-out.command';
export { LogOutEverywhereCommand } from './application/sessions/log-out-everywhere.command';
export { RenameSessionCommand } from './application/sessions/rename-session.command';
export { RevokeOtherSessionsCommand } from './application/sessions/revoke-other-sessions.command';
export { RevokeSessionCommand } from './application/sessions/revoke-session.command';
export { RevokeUserSessionsCommand } from './application/sessions/revoke-user-sessions.command';
export {
  type ChangedPassword,
  ChangePasswordCommand,
  type PasswordChangeRefusal,
} from './application/sign-in/change-password.command';
export { LogInCommand } from './application/sign-in/log-in.command';
export {
  OpenSessionCommand,
  type OpeningRefusal,
  type SessionOpening,
} from './application/sign-in/open-session.command';
export { type ReadVerifiedUser, ReadVerifiedUserQuery } from './application/sign-in/read-verified-user.query';
export { SealVerifiedUserQuery } from './application/sign-in/seal-verified-user.query';
export { VerifyPasswordCommand } from './application/sign-in/verify-password.command';
export { SetUserActiveCommand, type UserChangeRefusal } from './application/users/set-user-active.command';
export { SetUserRolesCommand } from './application/users/set-user-roles.command';
export { GetSecurityPolicyQuery } from './application/versions/get-security-policy.query';
export {
  type GlobalRotationPreview,
  PreviewGlobalRotationQuery,
} from './application/versions/preview-global-rotation.query';
export { RecoverAfterFailoverCommand, type RecoveryEpoch } from './application/versions/recover-after-failover.command';
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
export type { Binding, BoundCookieProof, DbscBinding, DbscProof, DpopBinding, DpopProof } from './domain/binding';
export { loginSpelling } from './domain/login';
export { passwordProblem } from './domain/password-rules';
export type {
  BulkEnding,
  ForgeryEvidence,
  RefreshFacts,
  RefreshSession,
  RefreshUser,
  ReplayDoor,
} from './domain/refresh-decision';
export type { RefreshTokenRootKey } from './domain/refresh-token';
export {
  type RefreshRefusal,
  REVOCATION_REASONS,
  type RefusalReason,
  type RevocationReason,
  type WaitReason,
} from './domain/refusals';
export { ok, refusal, type Result } from './domain/result';
export {
  type Claims,
  type Client,
  type Delivery,
  lastUsedFirst,
  type NewProof,
  type NewSession,
  type Session,
} from './domain/session';
export {
  AccessDenied,
  type ActAsRefusal,
  AllSessionsRevoked,
  AuditRead,
  AUTH_EVENTS,
  type AuthEvent,
  type AuthEventClass,
  AuthTokenRefreshAttempted,
  AuthTokenRefreshFailed,
  AuthTokenRefreshSucceeded,
  type BindingRefusalReason,
  type ChangedDevice,
  classOf,
  detailsOf,
  type EventContext,
  type EventOutcome,
  type FaultReason,
  GlobalRotationAttempted,
  GlobalRotationFailed,
  GlobalRotationSucceeded,
  LoginAttempted,
  LoginFailed,
  type LoginFailureReason,
  LoginSucceeded,
  LogoutAttempted,
  LogoutFailed,
  LogoutSucceeded,
  PasswordChangeAttempted,
  PasswordChangeFailed,
  type PasswordChangeFailureReason,
  PasswordChangeSucceeded,
  PasswordResetAttempted,
  PasswordResetFailed,
  type PasswordResetFailureReason,
  PasswordResetIssued,
  PasswordResetSucceeded,
  RecoveryAttempted,
  RecoveryFailed,
  RecoverySucceeded,
  PasswordVerified,
  ReauthenticationAttempted,
  ReauthenticationFailed,
  type ReauthenticationFailureReason,
  ReauthenticationSucceeded,
  RefreshTokenReuseDetected,
  RefusalsAggregated,
  type ReuseParty,
  SecurityPolicyChanged,
  SessionBindingRefused,
  SessionBound,
  SessionCreated,
  SessionEvicted,
  SessionRenamed,
  SessionRevoked,
  TokenForgerySuspected,
  TokenProofMissing,
  TokenRejectedDueToRotation,
  UserActAsFailed,
  UserActedAs,
  UserDeactivated,
  UserFactorChanged,
  UserReactivated,
  UserRegistered,
  UserRolesChanged,
  UserRotationAttempted,
  UserRotationFailed,
  UserRotationSucceeded,
} from './domain/events';
export { type VerifiedUser } from './domain/verified-user';
export { actorOf, clientOf } from './http/kit/client-of';
export { dpopProofOf } from './http/kit/dpop';
export { configureHttp, fastifyOptions, type HttpOptions } from './http/kit/http-server';
export { OAUTH_ROUTES } from './http/kit/oauth-routes';
export { NoStore } from './http/kit/no-store';
export { type DeliveredPair, TokenDelivery } from './http/token-delivery';

/* For those who implement a port, or use one. */
export { AccessTokenSigner } from './ports/access-token.signer';
export {
  AuthEventLog,
  type AuthEventPage,
  type Dropped,
  type EventCount,
  type EventFilter,
  type EventOrder,
  type EventPosition,
  type RecordedEvent,
} from './ports/auth-event.log';
export { foldedFrom, pageOf, type StoredEvent } from './ports/folded-refresh';
export { rareCountsOf } from './ports/rare-events';
export { AuthEvents, type RecordBound } from './ports/auth-events';
export { AuthMetrics, type FeedAnswerKind } from './ports/auth-metrics';
export { Clock } from './ports/clock';
export { PasswordHasher } from './ports/password-hasher';
export { RateLimits } from './ports/rate-limits';
export { SeenProofs } from './ports/seen-proofs';
export { type GlobalRaise, type MovedRecovery, SecurityPolicyRepository } from './ports/security-policy.repository';
export {
  type CrowdedUsers,
  type LiveToken,
  type NextToken,
  type RefreshReading,
  type RefreshRecord,
  type Replay,
  type SessionPage,
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
export { accessTokenKeyOf, fingerprintOf, ringKeyOf } from './domain/access-token-key';
export { RecordedChange } from './application/recorded-change';
export { HostUsers } from './application/host-users';
export {
  controlProblem,
  demand,
  graceOfModeProblem,
  MAX_HOURS,
  MAX_RECOVERY_SECONDS,
  idProblem,
  MAX_VERSION,
  plainTextProblem,
  reasonProblem,
  userIdProblem,
} from './domain/input-rules';
export { openRedis, RedisConnection } from './infrastructure/redis/redis-connection';
export { problemsOfDatabase, withClient } from './infrastructure/postgres/database-check';
export { EventPartitions } from './infrastructure/postgres/event-partitions';
export { names } from './infrastructure/postgres/names';
export { isPooled, POOLED_LISTEN, POOLED_STATEMENTS } from './infrastructure/postgres/pooler';
export { standbysOf } from './infrastructure/postgres/standbys';
export { TypeOrmUnitOfWork } from './infrastructure/postgres/typeorm-unit-of-work';
export { type IncompleteAuthOptions, optionProblems, withDefaults } from './options/complete-options';
export { completePostgresSettings, postgresProblems, PostgresSettings, SCHEMA_NAME } from './options/postgres.settings';
export { POSTGRES_URL } from './options/rules';
