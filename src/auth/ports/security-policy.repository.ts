import type { Floors, CutOffMode, SecurityPolicy } from '../../guard/versions';
import type { RevocationReason } from '../domain/refusals';

/** A rise of the global floor. */
export interface GlobalRaise {
  readonly mode: CutOffMode;
  /** Seconds from now on the database's clock; null uses the policy's default. Ignored in mode `immediate`. */
  readonly gracePeriodSeconds: number | null;
  readonly reason: string;
  /** When given, the floor is raised only from this version. */
  readonly expectedVersion: number | null;
  /** How much the floor rises: 1, or more after a restore. */
  readonly by: number;
}

/** The ends of the recovery epoch before and after a change; null if there never was one. */
export interface MovedRecovery {
  readonly previousUntil: Date | null;
  readonly recoveryUntil: Date | null;
}

/**
 * The security policy and the users' floors. Versions only rise: the tables refuse a lower or equal one. The transaction
 * that raises a floor also announces it to the guards of all instances. A rise by less than 1, a negative grace period and a
 * reason with U+0000 are errors.
 */
export abstract class SecurityPolicyRepository {
  /** Reads the policy and the database's clock together; a missing policy is created again with its defaults. */
  abstract read(): Promise<{ policy: SecurityPolicy; now: Date }>;

  /** Reads both floors and the database's clock in one statement; a user without a floor has 1, a missing policy is created again. */
  abstract floorsOf(userId: string): Promise<{ floors: Floors; now: Date }>;

  /**
   * Raises a user's floor by one; joins the current unit of work. Returns the new floor. With `ended` every session below
   * the new floor is over from the commit, for that reason, and its tokens are refused as revoked; null refuses them for
   * their version, as after the removal of a role.
   */
  abstract raiseUserFloor(userId: string, reason: string, ended: RevocationReason | null): Promise<number>;

  /**
   * {@link raiseUserFloor} in one conditional write: only while the floor is exactly `from`. Of calls at once with the same
   * `from`, one raises it. Returns null, and changes and announces nothing, at any other floor, higher or lower.
   */
  abstract raiseUserFloorFrom(
    from: number,
    userId: string,
    reason: string,
    ended: RevocationReason | null,
  ): Promise<number | null>;

  /**
   * Raises the global floor in one conditional update; joins the current unit of work. Two concurrent calls give two
   * consecutive versions. Returns the new policy; returns null, and changes nothing, when `expectedVersion` is not the
   * current version.
   */
  abstract raiseGlobalFloor(raise: GlobalRaise): Promise<SecurityPolicy | null>;

  /**
   * Sets the end of the recovery epoch to `seconds` from now, on the database's clock; joins the current unit of work. With 0
   * an epoch that is open ends, and nothing else changes. The next refresh reads it. Announces nothing.
   */
  abstract moveRecovery(seconds: number): Promise<MovedRecovery>;

  /** Sets the default grace period of later rotations; joins the current unit of work. A running grace period does not change. */
  abstract setGracePeriod(seconds: number): Promise<{ previousSeconds: number; policy: SecurityPolicy }>;
}
