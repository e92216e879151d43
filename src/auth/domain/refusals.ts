/** Why a refresh was refused. All refusals look alike from outside; the audit trail always has the reason. */
export type RefusalReason =
  | 'token_invalid'
  | 'token_expired'
  | 'token_revoked'
  | 'token_version_rejected'
  | 'user_not_found'
  | 'user_inactive'
  /** The session is bound to a key, which has not signed the request. */
  | 'proof_required';

/**
 * Why a refresh must wait: the session is untouched and the client may retry.
 * `replay_refused`: a keyed session, and the predecessor was presented without the rotation's retry key.
 * `too_many_replays`: the window's cap is used up.
 */
export type WaitReason = 'replay_refused' | 'too_many_replays';

/** Why a session was revoked. A closed list: a host's own strings are refused. */
export const REVOCATION_REASONS = [
  'user_logout',
  'user_logout_all',
  'password_changed',
  'admin_action',
  'user_deactivated',
  'reuse_detected',
  'token_version_rejected',
  'session_limit_exceeded',
  'session_revoked',
  'password_reset',
  'factor_changed',
] as const;

/** One of {@link REVOCATION_REASONS}. */
export type RevocationReason = (typeof REVOCATION_REASONS)[number];

/** An expected "no" of the refresh, the failed half of the handler's `Result`. */
export type RefreshRefusal =
  | { readonly kind: 'refused'; readonly reason: RefusalReason }
  | { readonly kind: 'wait'; readonly reason: WaitReason; readonly retryAfterSeconds: number };
