import type { CutOffMode, VersionRejection } from '../../guard/versions';
import type { Binding } from './binding';
import type { ForgeryEvidence, ReplayDoor } from './refresh-decision';
import type { RefusalReason, RevocationReason, WaitReason } from './refusals';
import type { Delivery } from './session';

/*
 * What happened, as published API: ids and primitives only, never an entity, a request, a token or a digest.
 * A class is dispatched and recorded under its `type`; a change of shape is a new version of the type.
 */

/** The fields that every event has, each with a column in the event log (PCI DSS 4.0.1, 10.2.2). */
export interface EventContext {
  /** UUIDv7. */
  readonly eventId: string;
  /** The start of the attempt that the event belongs to, on the application's clock. */
  readonly occurredAt: Date;
  /** Shared by everything that one request caused; null if no request caused the event. */
  readonly attemptId: string | null;
  readonly userId: string | null;
  readonly sessionId: string | null;
  readonly generation: number | null;
  readonly ipAddress: string | null;
  /** "Unknown" when the caller sent none; at most 512 characters. */
  readonly userAgent: string;
  /** The trace of the request (W3C Trace Context), if it had one. The event log keeps it among the details. */
  readonly traceId?: string;
}

/**
 * `attempted` where an attempt begins, `succeeded` for its success or for a plain fact, `failed` for a refusal or a
 * fault.
 */
export type EventOutcome = 'attempted' | 'succeeded' | 'failed';

/**
 * Why an attempt failed without a refusal: an unexpected failure, a refresh that lost every race, a rate limit, or a token
 * that is ahead of its session shortly after a failover.
 */
export type FaultReason = 'fault' | 'contended' | 'throttled' | 'overloaded' | 'recovery_pending';

/** A refresh begins. */
export class AuthTokenRefreshAttempted {
  static readonly type = 'auth.token_refresh.attempted.v1';
  static readonly outcome = 'attempted';
  constructor(readonly context: EventContext) {}
}

/** Device fields are present if the refresh's differ from the login's; the session keeps the login's. */
export interface ChangedDevice {
  readonly deviceId?: string;
  readonly deviceName?: string;
}

/** A refresh has returned a pair: a new one, or the same again. */
export class AuthTokenRefreshSucceeded {
  static readonly type = 'auth.token_refresh.succeeded.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    /** True if the refresh returned the successor of an earlier refresh again. */
    readonly replayed: boolean,
    /** What allowed the replay: the concurrency window, the retry key, or the key that the session is bound to. */
    readonly door: ReplayDoor | null,
    readonly changedDevice: ChangedDevice | null,
    /** By how many generations the token was ahead of its session, which had lost them in a failover; null otherwise. */
    readonly adoptedAhead: number | null = null,
  ) {}
}

/** A refresh was refused, must wait, or ended by a fault. */
export class AuthTokenRefreshFailed {
  static readonly type = 'auth.token_refresh.failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly reason: RefusalReason | WaitReason | FaultReason,
    /** Why the session had been revoked, where that is the reason. */
    readonly revokedReason: RevocationReason | null = null,
  ) {}
}

/** A token is below a floor. The versions are those of the counter that failed; if both failed, of the global one. */
export class TokenRejectedDueToRotation {
  static readonly type = 'auth.token.rejected_due_to_rotation.v1';
  static readonly outcome = 'failed';
  readonly tokenVersion: number;
  readonly requiredVersion: number;
  readonly rejectionReason: VersionRejection['rejectionReason'];
  constructor(
    readonly context: EventContext,
    rejection: VersionRejection,
  ) {
    this.tokenVersion = rejection.tokenVersion;
    this.requiredVersion = rejection.requiredVersion;
    this.rejectionReason = rejection.rejectionReason;
  }
}

/** A party to a reuse: who rotated last, as the row knows it, or who presented the superseded token. */
export interface ReuseParty {
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  /** ISO 8601. */
  readonly at: string;
  readonly deviceId: string | null;
}

/** Evidence of theft: a genuine, superseded token was presented where no replay was allowed. */
export class RefreshTokenReuseDetected {
  static readonly type = 'auth.token.reuse_detected.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    /** At least 1, or 0 for another branch or key. */
    readonly generationsBehind: number,
    readonly secondsSinceRotation: number,
    /**
     * `concurrent_late`: one generation behind; `stale`: older; `other_branch`: at the session's generation or one behind, but
     * of another digest, in a recovery epoch; `other_key`: somebody registers a second key for a session that is bound.
     */
    readonly reuseClass: 'concurrent_late' | 'stale' | 'other_branch' | 'other_key',
    readonly rotatedBy: ReuseParty,
    readonly presentedBy: ReuseParty,
  ) {}
}

/**
 * A token that only a key holder, a restored backup or a failover explains: check the keys, or run the after-restore or the
 * after-failover command.
 */
export class TokenForgerySuspected {
  static readonly type = 'auth.token.forgery_suspected.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly evidence: ForgeryEvidence,
    readonly storedGeneration: number,
  ) {}
}

/**
 * A token of a bound session was presented without a valid proof by its key: it was stolen, or the client has lost its key. The
 * session is untouched.
 */
export class TokenProofMissing {
  static readonly type = 'auth.token.proof_missing.v1';
  static readonly outcome = 'failed';
  constructor(readonly context: EventContext) {}
}

/** A sign-in, or a step of one, begins. */
export class LoginAttempted {
  static readonly type = 'auth.login.attempted.v1';
  static readonly outcome = 'attempted';
  constructor(readonly context: EventContext) {}
}

/** A sign-in has opened a session. */
export class LoginSucceeded {
  static readonly type = 'auth.login.succeeded.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    /** How the user was verified: `password`, or what the host calls it. */
    readonly method: string,
  ) {}
}

/** `verified_user_invalid`: a sealed user that was not sealed with these keys, is too old, or has opened its session. */
export type LoginFailureReason =
  'unknown_account' | 'wrong_password' | 'user_not_found' | 'user_inactive' | 'verified_user_invalid';

/** A sign-in has opened no session. */
export class LoginFailed {
  static readonly type = 'auth.login.failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly reason: LoginFailureReason | FaultReason,
    /** What was wrong with a sealed user, where that is the reason. */
    readonly evidence: 'not_sealed_here' | 'too_old' | 'used' | null = null,
  ) {}
}

/** A right password that opens no session yet: the host continues, with a second factor for example. */
export class PasswordVerified {
  static readonly type = 'auth.password.verified.v1';
  static readonly outcome = 'succeeded';
  constructor(readonly context: EventContext) {}
}

/** A user is asked for a proof within a session. The refresh that goes with it has an attempt of its own. */
export class ReauthenticationAttempted {
  static readonly type = 'auth.reauthentication.attempted.v1';
  static readonly outcome = 'attempted';
  constructor(readonly context: EventContext) {}
}

/** The session has a new proof, committed together with its refresh. */
export class ReauthenticationSucceeded {
  static readonly type = 'auth.reauthentication.succeeded.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    /** How the user was verified: `password`, or what the host calls it. */
    readonly method: string,
    /** The methods as access tokens have them from now on (RFC 8176). */
    readonly amr: readonly string[] | null,
    /** The level as access tokens have it from now on. */
    readonly acr: string | null,
  ) {}
}

/**
 * `other_user`: the factor is not that of the session's user; `refresh_refused`: the proof was right, and the session ended or
 * changed in the meantime.
 */
export type ReauthenticationFailureReason = 'wrong_password' | 'user_not_found' | 'other_user' | 'refresh_refused';

/** Nothing was refreshed. */
export class ReauthenticationFailed {
  static readonly type = 'auth.reauthentication.failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly reason: ReauthenticationFailureReason | FaultReason,
  ) {}
}

/** A log-out begins, of one session or of all sessions of the user. */
export class LogoutAttempted {
  static readonly type = 'auth.logout.attempted.v1';
  static readonly outcome = 'attempted';
  constructor(readonly context: EventContext) {}
}

/** A log-out has ended its session or sessions. */
export class LogoutSucceeded {
  static readonly type = 'auth.logout.succeeded.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    /** The number of sessions that ended: 1, or all that were live. */
    readonly revokedSessions: number,
  ) {}
}

/** A log-out has ended nothing. */
export class LogoutFailed {
  static readonly type = 'auth.logout.failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly reason: 'token_invalid' | FaultReason,
  ) {}
}

/** A sign-in or a change of password has opened a session. */
export class SessionCreated {
  static readonly type = 'auth.session.created.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly delivery: Delivery,
    readonly deviceId: string | null,
    readonly deviceName: string | null,
    /** How the session is bound to a key of the device; null if it is not. */
    readonly binding: Binding['kind'] | null = null,
  ) {}
}

/** A browser has registered the key of its device; from now on each refresh of the session requires it. */
export class SessionBound {
  static readonly type = 'auth.session.bound.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly binding: Binding['kind'],
    /** Whether the same key was registered before, and the answer was given again. */
    readonly repeated: boolean,
  ) {}
}

/** Why a key was not registered, where the refresh token itself is in order. */
export type BindingRefusalReason = 'not_invited' | 'too_late' | 'other_key' | 'token_too_long';

/** A key was not registered. With `other_key`, the session has ended: two devices hold the login. */
export class SessionBindingRefused {
  static readonly type = 'auth.session.binding_refused.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly reason: BindingRefusalReason | RefusalReason | WaitReason | FaultReason,
  ) {}
}

/** One session has ended by itself. A bulk ending is an {@link AllSessionsRevoked}. */
export class SessionRevoked {
  static readonly type = 'auth.session.revoked.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly reason: RevocationReason,
    /** The administrator who ended it; null for the user or the system. */
    readonly actorId: string | null = null,
  ) {}
}

/** The user gave the device of a session another name, or took its name away. */
export class SessionRenamed {
  static readonly type = 'auth.session.renamed.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly deviceName: string | null,
  ) {}
}

/** The least recently used session ended because a new one exceeded the limit. */
export class SessionEvicted {
  static readonly type = 'auth.session.evicted.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly reason: RevocationReason,
  ) {}
}

/** All sessions of a user ended, or those up to an id except one; none of them has an event of its own. */
export class AllSessionsRevoked {
  static readonly type = 'auth.sessions.all_revoked.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly reason: RevocationReason,
    readonly revokedSessions: number,
    readonly actorId: string | null = null,
    /** The session that was spared, and the highest id of those that ended; null where all ended at once. */
    readonly exceptSessionId: string | null = null,
    readonly throughSessionId: string | null = null,
  ) {}
}

/** An account was opened. */
export class UserRegistered {
  static readonly type = 'auth.user.registered.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly roles: readonly string[],
  ) {}
}

/** A change of password begins. */
export class PasswordChangeAttempted {
  static readonly type = 'auth.password_change.attempted.v1';
  static readonly outcome = 'attempted';
  constructor(readonly context: EventContext) {}
}

/** The password has changed, and every earlier session has ended. */
export class PasswordChangeSucceeded {
  static readonly type = 'auth.password_change.succeeded.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    /** The number of earlier sessions that ended with it. */
    readonly revokedSessions: number,
  ) {}
}

/** `session_ended`: the session of the caller ended before the change. */
export type PasswordChangeFailureReason = 'user_not_found' | 'wrong_password' | 'session_ended';

/** The password is unchanged. */
export class PasswordChangeFailed {
  static readonly type = 'auth.password_change.failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly reason: PasswordChangeFailureReason | FaultReason,
  ) {}
}

/** A ticket to set a new password was issued. */
export class PasswordResetIssued {
  static readonly type = 'auth.password_reset.issued.v1';
  static readonly outcome = 'succeeded';
  constructor(readonly context: EventContext) {}
}

/** A reset of a password begins. */
export class PasswordResetAttempted {
  static readonly type = 'auth.password_reset.attempted.v1';
  static readonly outcome = 'attempted';
  constructor(readonly context: EventContext) {}
}

/** The password was set, and every session of the user has ended. */
export class PasswordResetSucceeded {
  static readonly type = 'auth.password_reset.succeeded.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    /** The number of sessions that ended with it. */
    readonly revokedSessions: number,
  ) {}
}

/** `reset_ticket_invalid`: {@link PasswordResetFailed.evidence} has the details. */
export type PasswordResetFailureReason = 'reset_ticket_invalid' | 'user_not_found';

/** The password is unchanged. */
export class PasswordResetFailed {
  static readonly type = 'auth.password_reset.failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly reason: PasswordResetFailureReason | FaultReason,
    /** What was wrong with the ticket, where that is the reason. `used` is one that another raise of the floor has ended, too. */
    readonly evidence: 'not_sealed_here' | 'too_old' | 'used' | null = null,
  ) {}
}

/** The host has changed a factor of the user; what ended with it has events of its own. The session is the one that was spared. */
export class UserFactorChanged {
  static readonly type = 'auth.user.factor_changed.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    /** What has changed, in the host's words: `totp`, `passkey`. */
    readonly kind: string,
  ) {}
}

/** `actor_session_ended`: ended, expired or below a floor. `acting_for_oneself`: the user of that session is the user. */
export type ActAsRefusal =
  'actor_session_ended' | 'actor_inactive' | 'acting_for_oneself' | 'user_not_found' | 'user_inactive';

/** Somebody got an access token to act for the context's user; the session is the actor's. `cause` has the actor's words. */
export class UserActedAs {
  static readonly type = 'auth.user.acted_as.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    readonly cause: string,
    /** ISO 8601. */
    readonly expiresAt: string,
  ) {}
}

/** Somebody got no access token to act for the user. */
export class UserActAsFailed {
  static readonly type = 'auth.user.act_as_failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    /** Null if the session is unknown. */
    readonly actorId: string | null,
    readonly reason: ActAsRefusal | FaultReason,
    readonly cause: string,
  ) {}
}

/** An administrator's change has two users: the context's is the one who was changed, `actorId` is the administrator. */
export class UserDeactivated {
  static readonly type = 'auth.user.deactivated.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
  ) {}
}

/** The user can sign in again. */
export class UserReactivated {
  static readonly type = 'auth.user.reactivated.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
  ) {}
}

/** All roles of the user were replaced. */
export class UserRolesChanged {
  static readonly type = 'auth.user.roles_changed.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    readonly previousRoles: readonly string[],
    readonly roles: readonly string[],
  ) {}
}

/** The events of a rotation carry the administrator's words in `cause`; a `reason` is always one of a closed list. */
export class GlobalRotationAttempted {
  static readonly type = 'auth.global_rotation.attempted.v1';
  static readonly outcome = 'attempted';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    readonly mode: CutOffMode,
    readonly cause: string,
  ) {}
}

/** The global floor has risen. */
export class GlobalRotationSucceeded {
  static readonly type = 'auth.global_rotation.succeeded.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    readonly previousVersion: number,
    readonly newVersion: number,
    readonly mode: CutOffMode,
    /** ISO 8601, null without a grace period. */
    readonly graceEndsAt: string | null,
  ) {}
}

/** The global floor has not risen: it was at another version than the expected one, or by a fault. */
export class GlobalRotationFailed {
  static readonly type = 'auth.global_rotation.failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    readonly reason: 'version_mismatch' | FaultReason,
  ) {}
}

/** A rotation of one user begins. */
export class UserRotationAttempted {
  static readonly type = 'auth.user_rotation.attempted.v1';
  static readonly outcome = 'attempted';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    readonly cause: string,
  ) {}
}

/** The user's floor has risen. */
export class UserRotationSucceeded {
  static readonly type = 'auth.user_rotation.succeeded.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    readonly previousVersion: number,
    readonly newVersion: number,
  ) {}
}

/** The user's floor has not risen. */
export class UserRotationFailed {
  static readonly type = 'auth.user_rotation.failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    readonly reason: 'user_not_found' | FaultReason,
  ) {}
}

/** The default grace period of later rotations was set. */
export class SecurityPolicyChanged {
  static readonly type = 'auth.security_policy.changed.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    readonly previousGracePeriodSeconds: number,
    readonly gracePeriodSeconds: number,
  ) {}
}

/** A recovery epoch is declared, moved or ended after a failover; `cause` has the administrator's words. */
export class RecoveryAttempted {
  static readonly type = 'auth.recovery.attempted.v1';
  static readonly outcome = 'attempted';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    readonly forSeconds: number,
    readonly cause: string,
  ) {}
}

/** The recovery epoch now ends at another time. */
export class RecoverySucceeded {
  static readonly type = 'auth.recovery.succeeded.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    /** ISO 8601: the end of the epoch before, or null if none had been declared. */
    readonly previousUntil: string | null,
    /** ISO 8601. */
    readonly recoveryUntil: string,
  ) {}
}

/** The recovery epoch is unchanged. */
export class RecoveryFailed {
  static readonly type = 'auth.recovery.failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    readonly reason: FaultReason,
  ) {}
}

/** A user called a route without any of the roles that it requires, or an actor called one that requires the user in person. */
export class AccessDenied {
  static readonly type = 'auth.access.denied.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly requiredRoles: readonly string[],
    /** The route as it is declared, without any value, such as `GET /admin/users/:id`. */
    readonly route: string,
    /** The user who acts for this one; null if nobody does. */
    readonly actorId: string | null = null,
  ) {}
}

/** An administrator read the audit trail; the context's user is the reader. */
export class AuditRead {
  static readonly type = 'auth.audit.read.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    /** The filters of the search, times in ISO 8601; a session's history has its `sessionId`. */
    readonly filter: Readonly<Record<string, string>>,
  ) {}
}

/**
 * Refusals beyond the number that is recorded one by one, once a minute: of junk tokens and throttled requests together, and
 * of what is bounded for each session or user with that session or user.
 */
export class RefusalsAggregated {
  static readonly type = 'auth.refusals.aggregated.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly count: number,
    readonly distinctIps: number,
    /** The type of the events that were summed up; null for junk and throttled requests. */
    readonly eventType: string | null = null,
  ) {}
}

/** Every event class: hosts register one listener per type from this list, without wildcards. */
export const AUTH_EVENTS = [
  AuthTokenRefreshAttempted,
  AuthTokenRefreshSucceeded,
  AuthTokenRefreshFailed,
  TokenRejectedDueToRotation,
  RefreshTokenReuseDetected,
  TokenForgerySuspected,
  TokenProofMissing,
  LoginAttempted,
  LoginSucceeded,
  LoginFailed,
  PasswordVerified,
  ReauthenticationAttempted,
  ReauthenticationSucceeded,
  ReauthenticationFailed,
  LogoutAttempted,
  LogoutSucceeded,
  LogoutFailed,
  SessionCreated,
  SessionBound,
  SessionBindingRefused,
  SessionRenamed,
  SessionRevoked,
  SessionEvicted,
  AllSessionsRevoked,
  PasswordChangeAttempted,
  PasswordChangeSucceeded,
  PasswordChangeFailed,
  PasswordResetIssued,
  PasswordResetAttempted,
  PasswordResetSucceeded,
  PasswordResetFailed,
  UserFactorChanged,
  UserActedAs,
  UserActAsFailed,
  UserRegistered,
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
  RecoveryAttempted,
  RecoverySucceeded,
  RecoveryFailed,
  AccessDenied,
  AuditRead,
  RefusalsAggregated,
] as const;

/** One of {@link AUTH_EVENTS}. */
export type AuthEventClass = (typeof AUTH_EVENTS)[number];
/** An instance of one of {@link AUTH_EVENTS}. */
export type AuthEvent = InstanceType<AuthEventClass>;

/** The class of an event, with its `type` and `outcome`. */
export const classOf = (event: AuthEvent): AuthEventClass => event.constructor as AuthEventClass;

/**
 * An event's own fields beside those that the log has columns for, and the trace of its request. Absent, null and false are left out: a granted refresh,
 * which is most of the log, is smaller by a twentieth without `replayed: false`.
 */
export function detailsOf(event: AuthEvent): Record<string, unknown> {
  const details: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(event)) {
    if (name !== 'context' && name !== 'reason' && value !== null && value !== undefined && value !== false)
      details[name] = value;
  }
  const { traceId } = event.context;
  return traceId === undefined ? details : { ...details, traceId };
}
