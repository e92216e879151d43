import { Command } from '@nestjs/cqrs';
import type { CutOffMode } from '../../../guard/versions';
import type { Result } from '../../domain/result';
import type { Actor } from '../actor';

export interface GlobalRotation {
  readonly previousVersion: number;
  readonly newVersion: number;
  readonly mode: CutOffMode;
  readonly graceEndsAt: Date | null;
  /** Sessions that could be refreshed and were issued below the new version; counted after the commit, or an estimate. */
  readonly sessionsAffected: number;
}

/** Raises the global floor: every token below it is refused, at once or when the grace period ends (breach rotation). */
export class TriggerGlobalTokenRotationCommand extends Command<Result<GlobalRotation, 'version_mismatch'>> {
  constructor(
    readonly reason: string,
    readonly mode: CutOffMode = 'immediate',
    /** Seconds; for `drain` and `migrate`, by default the policy's. */
    readonly gracePeriodSeconds: number | null = null,
    /** If given, the command is refused unless the floor is at this version, so that a double click is not two rotations. */
    readonly expectedVersion: number | null = null,
    readonly actor: Actor = {},
    readonly by = 1,
  ) {
    super();
  }
}
