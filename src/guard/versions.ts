/**
 * The two version counters: a user's and the global one. They are never compared with each other: with one maximum,
 * a user who was raised once could outlive a global cut-off, be locked out after it, or have a password change
 * forgiven by a global grace period.
 */
export interface VersionStamps {
  /** The user's floor when the token was issued. */
  readonly tokenVersion: number;
  /** The global floor when the token was issued. */
  readonly globalVersionAtIssuance: number;
}

/**
 * A cut-off is a rise of a version. This is how one of the global version treats the tokens of the version just before it:
 * `immediate` refuses them, `migrate` exchanges them for current ones until the deadline, `drain` lets them work until the
 * deadline and not a second longer.
 */
export const CUT_OFF_MODES = ['immediate', 'drain', 'migrate'] as const;
/** One of {@link CUT_OFF_MODES}. */
export type CutOffMode = (typeof CUT_OFF_MODES)[number];

/** The longest grace period: 30 days. */
export const MAX_GRACE_SECONDS = 30 * 24 * 60 * 60;

/** The part of the policy that decides. One value, so that a version from one reading is never combined with a mode from another. */
export interface GlobalFloor {
  readonly globalMinTokenVersion: number;
  readonly mode: CutOffMode;
  /** Fixed by the cut-off on the database's clock, never moved afterwards; null without a grace period. */
  readonly graceEndsAt: Date | null;
}

/** The singleton security policy. */
export interface SecurityPolicy extends GlobalFloor {
  /** The default grace period of later cut-offs, in seconds. */
  readonly gracePeriodSeconds: number;
  /** On the database's clock; null before the first cut-off, like its reason. */
  readonly lastRotationAt: Date | null;
  readonly lastRotationReason: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Both floors, as one reading. */
export interface Floors extends GlobalFloor {
  readonly userMinTokenVersion: number;
}

/** Which counter refused, and by how much. */
export interface VersionRejection {
  readonly rejectionReason: 'global_rotation' | 'user_rotation';
  readonly tokenVersion: number;
  readonly requiredVersion: number;
}

/** The rule by which a token with these stamps is accepted or refused. `now` is the database's clock. */
export const isHonoured = (stamps: VersionStamps, floors: Floors, now: Date): boolean =>
  rejectionOf(stamps, floors, now) === null;

/** Why a token is refused: the versions of the counter that failed (of the global one if both failed), or null. */
export function rejectionOf(stamps: VersionStamps, floors: Floors, now: Date): VersionRejection | null {
  if (!globalHonoured(stamps, floors, now)) {
    return {
      rejectionReason: 'global_rotation',
      tokenVersion: stamps.globalVersionAtIssuance,
      requiredVersion: floors.globalMinTokenVersion,
    };
  }
  if (stamps.tokenVersion < floors.userMinTokenVersion) {
    return {
      rejectionReason: 'user_rotation',
      tokenVersion: stamps.tokenVersion,
      requiredVersion: floors.userMinTokenVersion,
    };
  }
  return null;
}

function globalHonoured(stamps: VersionStamps, floors: GlobalFloor, now: Date): boolean {
  if (stamps.globalVersionAtIssuance >= floors.globalMinTokenVersion) return true;
  return (
    floors.mode !== 'immediate' &&
    floors.graceEndsAt !== null &&
    now <= floors.graceEndsAt &&
    stamps.globalVersionAtIssuance === floors.globalMinTokenVersion - 1
  );
}

/** The stamps of a login: the floors that were read with, or before, the password hash. */
export const stampsOf = (floors: Floors): VersionStamps => ({
  tokenVersion: floors.userMinTokenVersion,
  globalVersionAtIssuance: floors.globalMinTokenVersion,
});

/** The stamps after a rotation: the current floors, except that a drained session keeps its global version and ends with it. */
export function stampsAfterRotation(stamps: VersionStamps, floors: Floors): VersionStamps {
  const current = stampsOf(floors);
  const drained = floors.mode === 'drain' && stamps.globalVersionAtIssuance < floors.globalMinTokenVersion;
  return drained ? { ...current, globalVersionAtIssuance: stamps.globalVersionAtIssuance } : current;
}

/** When tokens with these stamps are refused without a further change: the end of their grace period, or null. */
export const graceLimitOf = (stamps: VersionStamps, floors: GlobalFloor): Date | null =>
  stamps.globalVersionAtIssuance < floors.globalMinTokenVersion ? floors.graceEndsAt : null;

/** Of two readings of the policy: a higher version, or the same one changed later. */
export const isNewer = (one: SecurityPolicy, other: SecurityPolicy): boolean =>
  one.globalMinTokenVersion > other.globalMinTokenVersion ||
  (one.globalMinTokenVersion === other.globalMinTokenVersion && one.updatedAt > other.updatedAt);
