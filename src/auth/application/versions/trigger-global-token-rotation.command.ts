import { Command } from '@nestjs/cqrs';
import type { CutOffMode } from '../../../guard/versions';
import type { Result } from '../../domain/result';
import type { Actor } from '../actor';

/** A raise of the global floor, as it was committed. */
export interface GlobalRotation {
  readonly previousVersion: number;
  readonly newVersion: number;
  readonly mode: CutOffMode;
  /** On the database's clock; null with `immediate`. */
  readonly graceEndsAt: Date | null;
  /** Sessions that could be refreshed and were issued below the new version; counted after the commit, or an estimate. */
  readonly sessionsAffected: number;
}

/** Raises the global floor: every token below it is refused, at once or when the grace period ends (breach rotation). */
export class TriggerGlobalTokenRotationCommand extends Command<Result<GlobalRotation, 'version_mismatch'>> {
  constructor(
    /** Why, in words, for the record: 1 to 500 characters. */
    readonly reason: string,
    readonly mode: CutOffMode = 'immediate',
    /** Seconds; for `drain` and `migrate`, by default the policy's. */
    readonly gracePeriodSeconds: number | null = null,
    /** If given, the command is refused unless the floor is at this version, so that a double click is not two rotations. */
    readonly expectedVersion: number | null = null,
    readonly actor: Actor = {},
    /** By how many versions the floor rises. */
    readonly by = 1,
  ) {
    super();
  }
}
