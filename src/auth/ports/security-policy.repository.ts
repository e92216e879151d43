import type { Floors, CutOffMode, SecurityPolicy } from '../../guard/versions';

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

/**
 * The security policy and the users' floors. Versions only rise: the tables refuse a lower or equal one. The transaction
 * that raises a floor also announces it to the guards of all instances.
 */
export abstract class SecurityPolicyRepository {
  /** Reads the policy and the database's clock together; a missing policy is created again with its defaults. */
  abstract read(): Promise<{ policy: SecurityPolicy; now: Date }>;

  /** Reads both floors and the database's clock in one statement; a user without a floor has 1, a missing policy is created again. */
  abstract floorsOf(userId: string): Promise<{ floors: Floors; now: Date }>;

  /** Raises a user's floor by one; joins the current unit of work. Returns the new floor. */
  abstract raiseUserFloor(userId: string, reason: string): Promise<number>;

  /**
   * Raises the global floor in one conditional update; joins the current unit of work. Two concurrent calls give two
   * consecutive versions. Returns the new policy; returns null, and changes nothing, when `expectedVersion` is not the
   * current version.
   */
  abstract raiseGlobalFloor(raise: GlobalRaise): Promise<SecurityPolicy | null>;

  /** Sets the default grace period of later rotations; joins the current unit of work. A running grace period does not change. */
  abstract setGracePeriod(seconds: number): Promise<{ previousSeconds: number; policy: SecurityPolicy }>;
}
