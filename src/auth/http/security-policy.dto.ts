import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsInt, Matches, Max, MaxLength, Min } from 'class-validator';
import { MAX_GRACE_SECONDS, CUT_OFF_MODES, type CutOffMode, type SecurityPolicy } from '../../guard/versions';
import { IfPresent, IsPlainText } from './kit/validation.pipe';

const MAX_INTEGER = 2 ** 31 - 1;

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
  @ApiProperty({ example: 300 })
  @IsInt()
  @Min(0)
  @Max(MAX_GRACE_SECONDS)
  gracePeriodSeconds!: number;
}

class ReasonDto {
  /** Why; kept in the audit trail. */
  @ApiProperty({ example: 'The signing key was in a log', maxLength: 500 })
  @IsPlainText()
  @Matches(/\S/, { message: 'reason must not be empty' })
  @MaxLength(500)
  reason!: string;
}

export class RotateUserDto extends ReasonDto {}

export class RotateAllDto extends ReasonDto {
  /** `immediate` refuses older tokens at once; `drain` refuses them at the end of the grace period; `migrate` exchanges them for current ones until then. */
  @ApiProperty({ enum: CUT_OFF_MODES, default: 'immediate' })
  @IsIn(CUT_OFF_MODES)
  @IfPresent()
  mode?: CutOffMode;

  /** For `drain` and `migrate`, in seconds, at most 30 days; by default the policy's. */
  @ApiProperty({ required: false })
  @IsInt()
  @Min(0)
  @Max(MAX_GRACE_SECONDS)
  @IfPresent()
  gracePeriodSeconds?: number;

  /** Rotates only from this version, so that a double click is one rotation. */
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
