import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsInt, Max, Min, ValidateBy } from 'class-validator';
import { MAX_GRACE_SECONDS, CUT_OFF_MODES, type CutOffMode, type SecurityPolicy } from '../../guard/versions';
import { reasonProblem } from '../domain/reason-rules';
import { IfPresent } from './kit/validation.pipe';

const MAX_INTEGER = 2 ** 31 - 1;

export class SecurityPolicyDto implements SecurityPolicy {
  /** Tokens that were issued below this version are refused, grace aside. */
  @ApiProperty({ example: 1 })
  globalMinTokenVersion!: number;

  /** How the last rotation treats tokens of the version before it. */
  @ApiProperty({ enum: CUT_OFF_MODES })
  mode!: CutOffMode;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  graceEndsAt!: Date | null;

  /** The default of later rotations, in seconds. */
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
  /** The default grace period of later rotations, in seconds, at most 30 days. A running one does not move. */
  @ApiProperty({ example: 300 })
  @IsInt()
  @Min(0)
  @Max(MAX_GRACE_SECONDS)
  gracePeriodSeconds!: number;
}

/** Why: for the audit trail, which keeps it. */
class ReasonDto {
  @ApiProperty({ example: 'The signing key was in a log', maxLength: 500, pattern: '\\S' })
  @ValidateBy({
    name: 'isReason',
    validator: {
      validate: (reason) => reasonProblem(reason) === null,
      defaultMessage: (args) => `reason ${reasonProblem(args?.value) ?? ''}`,
    },
  })
  reason!: string;
}

export class RotateUserDto extends ReasonDto {}

export class RotateAllDto extends ReasonDto {
  /** `immediate` refuses older tokens at once, `drain` at the end of the grace period, `migrate` exchanges them until then. */
  @ApiProperty({ enum: CUT_OFF_MODES, default: 'immediate' })
  @IsIn(CUT_OFF_MODES)
  @IfPresent()
  mode?: CutOffMode;

  /** For `drain` and `migrate`, in seconds, at most 30 days; the policy's when it is left out. */
  @ApiProperty({ required: false })
  @IsInt()
  @Min(0)
  @Max(MAX_GRACE_SECONDS)
  @IfPresent()
  gracePeriodSeconds?: number;

  /** Rotates only from this version: a double click is then one rotation. */
  @ApiProperty({ required: false })
  @IsInt()
  @Min(1)
  @Max(MAX_INTEGER)
  @IfPresent()
  expectedVersion?: number;
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

export class UserRotationDto {
  @ApiProperty({ format: 'uuid' })
  userId!: string;

  @ApiProperty({ example: 1 })
  previousVersion!: number;

  @ApiProperty({ example: 2 })
  newVersion!: number;
}
