import type { Floors, CutOffMode, SecurityPolicy } from '../../guard/versions';

/** A rise of the global floor. */
export interface GlobalRaise {
  readonly mode: CutOffMode;
  /** Seconds from now on the database's clock; null takes the policy's default. Without meaning in mode `immediate`. */
  readonly gracePeriodSeconds: number | null;
  readonly reason: string;
  /** When given, the floor is raised only from this version. */
  readonly expectedVersion: number | null;
  /** By how much: 1, or more after a restore. */
  readonly by: number;
}

/**
 * The security policy and the users' floors. Versions only rise: the tables refuse a lower or equal one. Every rise is
 * announced to the guards of all instances by the transaction that makes it.
 */
export abstract class SecurityPolicyRepository {
  /** The policy as one reading with the database's clock; a missing one is made again with its defaults. */
  abstract read(): Promise<{ policy: SecurityPolicy; now: Date }>;

  /** Both floors in one statement, with the database's clock; a user without a floor has 1, a missing policy is made again. */
  abstract floorsOf(userId: string): Promise<{ floors: Floors; now: Date }>;

  /** Raises a user's floor by one; joins the current unit of work. Answers the floor after it. */
  abstract raiseUserFloor(userId: string, reason: string): Promise<number>;

  /**
   * Raises the global floor in one conditional update; joins the current unit of work. Two at once give two consecutive
   * versions. Answers the policy after it, or null and nothing changed when `expectedVersion` is not the current one.
   */
  abstract raiseGlobalFloor(raise: GlobalRaise): Promise<SecurityPolicy | null>;

  /** Sets the default of later rotations; joins the current unit of work. A running grace period does not move. */
  abstract setGracePeriod(seconds: number): Promise<{ previousSeconds: number; policy: SecurityPolicy }>;
}
