import type { CutOffMode, VersionRejection } from '../../guard/versions';
import type { ForgeryEvidence } from './refresh-decision';
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
}

export type EventOutcome = 'attempted' | 'succeeded' | 'failed';

/** Why an attempt failed without a refusal: an unexpected failure, a refresh that lost every race, or a rate limit. */
export type FaultReason = 'fault' | 'contended' | 'throttled' | 'overloaded';

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

export class AuthTokenRefreshSucceeded {
  static readonly type = 'auth.token_refresh.succeeded.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    /** True if the refresh returned the successor of an earlier refresh again. */
    readonly replayed: boolean,
    /** What allowed the replay: the concurrency window or the retry key. */
    readonly door: 'window' | 'key' | null,
    readonly changedDevice: ChangedDevice | null,
  ) {}
}

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
    /** At least 1. */
    readonly generationsBehind: number,
    readonly secondsSinceRotation: number,
    /** `concurrent_late`: one generation behind; `stale`: older. */
    readonly reuseClass: 'concurrent_late' | 'stale',
    readonly rotatedBy: ReuseParty,
    readonly presentedBy: ReuseParty,
  ) {}
}

/** A token that only a key holder or a restored backup explains: check the keys, or run the after-restore command. */
export class TokenForgerySuspected {
  static readonly type = 'auth.token.forgery_suspected.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly evidence: ForgeryEvidence,
    readonly storedGeneration: number,
  ) {}
}

export class LoginAttempted {
  static readonly type = 'auth.login.attempted.v1';
  static readonly outcome = 'attempted';
  constructor(readonly context: EventContext) {}
}

export class LoginSucceeded {
  static readonly type = 'auth.login.succeeded.v1';
  static readonly outcome = 'succeeded';
  constructor(readonly context: EventContext) {}
}

export type LoginFailureReason = 'unknown_account' | 'wrong_password' | 'user_inactive';

export class LoginFailed {
  static readonly type = 'auth.login.failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly reason: LoginFailureReason | FaultReason,
  ) {}
}

export class LogoutAttempted {
  static readonly type = 'auth.logout.attempted.v1';
  static readonly outcome = 'attempted';
  constructor(readonly context: EventContext) {}
}

export class LogoutSucceeded {
  static readonly type = 'auth.logout.succeeded.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly revokedSessions: number,
  ) {}
}

export class LogoutFailed {
  static readonly type = 'auth.logout.failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly reason: 'token_invalid' | FaultReason,
  ) {}
}

export class SessionCreated {
  static readonly type = 'auth.session.created.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly delivery: Delivery,
    readonly deviceId: string | null,
    readonly deviceName: string | null,
  ) {}
}

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

/** The least recently used session ended because a new one exceeded the limit. */
export class SessionEvicted {
  static readonly type = 'auth.session.evicted.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly reason: RevocationReason,
  ) {}
}

export class AllSessionsRevoked {
  static readonly type = 'auth.sessions.all_revoked.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly reason: RevocationReason,
    readonly revokedSessions: number,
    readonly actorId: string | null = null,
  ) {}
}

export class UserRegistered {
  static readonly type = 'auth.user.registered.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly roles: readonly string[],
  ) {}
}

export class PasswordChangeAttempted {
  static readonly type = 'auth.password_change.attempted.v1';
  static readonly outcome = 'attempted';
  constructor(readonly context: EventContext) {}
}

export class PasswordChangeSucceeded {
  static readonly type = 'auth.password_change.succeeded.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    /** The number of earlier sessions that ended with it. */
    readonly revokedSessions: number,
  ) {}
}

export type PasswordChangeFailureReason = 'user_not_found' | 'wrong_password' | 'session_ended';

export class PasswordChangeFailed {
  static readonly type = 'auth.password_change.failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly reason: PasswordChangeFailureReason | FaultReason,
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

export class UserReactivated {
  static readonly type = 'auth.user.reactivated.v1';
  static readonly outcome = 'succeeded';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
  ) {}
}

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

export class GlobalRotationFailed {
  static readonly type = 'auth.global_rotation.failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    readonly reason: 'version_mismatch' | FaultReason,
  ) {}
}

export class UserRotationAttempted {
  static readonly type = 'auth.user_rotation.attempted.v1';
  static readonly outcome = 'attempted';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    readonly cause: string,
  ) {}
}

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

export class UserRotationFailed {
  static readonly type = 'auth.user_rotation.failed.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly actorId: string | null,
    readonly reason: 'user_not_found' | FaultReason,
  ) {}
}

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

/** Junk tokens and throttled requests beyond the individual limit, one record per minute. */
export class RefusalsAggregated {
  static readonly type = 'auth.refusals.aggregated.v1';
  static readonly outcome = 'failed';
  constructor(
    readonly context: EventContext,
    readonly count: number,
    readonly distinctIps: number,
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
  LoginAttempted,
  LoginSucceeded,
  LoginFailed,
  LogoutAttempted,
  LogoutSucceeded,
  LogoutFailed,
  SessionCreated,
  SessionRevoked,
  SessionEvicted,
  AllSessionsRevoked,
  PasswordChangeAttempted,
  PasswordChangeSucceeded,
  PasswordChangeFailed,
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
  RefusalsAggregated,
] as const;

export type AuthEventClass = (typeof AUTH_EVENTS)[number];
export type AuthEvent = InstanceType<AuthEventClass>;

/** The class of an event, with its `type` and `outcome`. */
export const classOf = (event: AuthEvent): AuthEventClass => event.constructor as AuthEventClass;

/** An event's own fields beside those that the log has columns for. Absent and null are left out. */
export function detailsOf(event: AuthEvent): Record<string, unknown> {
  const details: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(event)) {
    if (name !== 'context' && name !== 'reason' && value !== null && value !== undefined) details[name] = value;
  }
  return details;
}
