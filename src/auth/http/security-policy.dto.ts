import type { GlobalRotationPreview } from '../application/versions/preview-global-rotation.query';
import { CUT_OFF_MODES, type CutOffMode, MAX_GRACE_SECONDS, type SecurityPolicy } from '../../guard/versions';
import {
  cutOffModeProblem,
  graceProblem,
  MAX_REASON,
  MAX_RECOVERY_SECONDS,
  MAX_VERSION,
  reasonProblem,
  recoveryProblem,
  versionProblem,
} from '../domain/input-rules';
import { ApiProperty } from './kit/openapi';
import { USER_ID } from './kit/user-id';
import { ByRule, IfPresent } from './kit/validation.pipe';

/** For the document: the rules themselves are those of the use cases. */
const GRACE = { minimum: 0, maximum: MAX_GRACE_SECONDS } as const;

export class SecurityPolicyDto implements SecurityPolicy {
  /** Tokens of a lower version are refused, except during a grace period. */
  @ApiProperty({ example: 1 })
  globalMinTokenVersion!: number;

  /** How the last rotation treats tokens of the version before it. */
  @ApiProperty({ enum: CUT_OFF_MODES })
  mode!: CutOffMode;

  /** When the grace period of the last rotation ends; null if it has none. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  graceEndsAt!: Date | null;

  /** The default grace period of later rotations, in seconds. */
  @ApiProperty({ example: 300 })
  gracePeriodSeconds!: number;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  lastRotationAt!: Date | null;

  @ApiProperty({ type: String, nullable: true })
  lastRotationReason!: string | null;

  @ApiProperty({ format: 'date-time' })
  createdAt!: Date;

  @ApiProperty({ format: 'date-time' })
  updatedAt!: Date;
}

export class UpdateSecurityPolicyDto {
  /** The default grace period of later rotations, in seconds, at most 30 days. A running grace period does not change. */
  @ApiProperty({ example: 300, ...GRACE })
  @ByRule(graceProblem)
  gracePeriodSeconds!: number;
}

class ReasonDto {
  /** Why; kept in the audit trail. */
  @ApiProperty({ example: 'The signing key was in a log', maxLength: MAX_REASON, pattern: '\\S' })
  @ByRule(reasonProblem)
  reason!: string;
}

export class RotateUserDto extends ReasonDto {}

export class RotateAllDto extends ReasonDto {
  /** `immediate` refuses older tokens at once; `drain` refuses them at the end of the grace period; `migrate` exchanges them for current ones until then. */
  @ApiProperty({ enum: CUT_OFF_MODES, default: 'immediate' })
  @ByRule(cutOffModeProblem)
  @IfPresent()
  mode?: CutOffMode;

  /** For `drain` and `migrate`, in seconds, at most 30 days; by default the policy's. */
  @ApiProperty({ required: false, ...GRACE })
  @ByRule(graceProblem)
  @IfPresent()
  gracePeriodSeconds?: number;

  /** Rotates only from this version, so that a double click is one rotation. */
  @ApiProperty({ required: false, minimum: 1, maximum: MAX_VERSION })
  @ByRule(versionProblem)
  @IfPresent()
  expectedVersion?: number;
}

export class RecoverDto extends ReasonDto {
  /** How long the recovery epoch lasts from now, in seconds, at most 7 days; by default a day. 0 ends it. */
  @ApiProperty({ required: false, default: 86_400, minimum: 0, maximum: MAX_RECOVERY_SECONDS })
  @ByRule(recoveryProblem)
  @IfPresent()
  forSeconds?: number;
}

export class RecoveryEpochDto {
  /** When the epoch ends; null if there never was one. */
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  recoveryUntil!: Date | null;
}

export class GlobalRotationDto {
  @ApiProperty({ example: 1 })
  previousVersion!: number;

  @ApiProperty({ example: 2 })
  newVersion!: number;

  @ApiProperty({ enum: CUT_OFF_MODES })
  mode!: CutOffMode;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  graceEndsAt!: Date | null;

  /** Sessions that could be refreshed and were issued below the new version, counted after the commit. */
  @ApiProperty({ example: 42 })
  sessionsAffected!: number;
}

export class GlobalRotationPreviewDto implements GlobalRotationPreview {
  @ApiProperty({ example: 1 })
  previousVersion!: number;

  @ApiProperty({ example: 2 })
  newVersion!: number;

  /** The policy's default, which applies to `drain` and `migrate` without a grace period of their own. */
  @ApiProperty({ example: 300 })
  gracePeriodSeconds!: number;

  /** Sessions that can be refreshed and were issued below the new version. */
  @ApiProperty({ example: 42 })
  sessionsAffected!: number;

  /** Those of them that were issued below the current version: in a grace period, the ones that have not returned yet. */
  @ApiProperty({ example: 7 })
  sessionsBehind!: number;
}

export class UserRotationDto {
  @ApiProperty(USER_ID)
  userId!: string;

  @ApiProperty({ example: 1 })
  previousVersion!: number;

  @ApiProperty({ example: 2 })
  newVersion!: number;
}
