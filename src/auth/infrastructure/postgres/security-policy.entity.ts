import { Check, Column, Entity, PrimaryColumn } from 'typeorm';
import type { CutOffMode, SecurityPolicy } from '../../../guard/versions';

/** The singleton row `id = 1`. */
@Entity({ name: 'security_policy' })
@Check('security_policy_id_check', 'id = 1')
@Check('security_policy_global_min_token_version_check', 'global_min_token_version >= 1')
@Check('security_policy_grace_period_seconds_check', 'grace_period_seconds >= 0')
@Check('security_policy_rotation_mode_check', `rotation_mode IN ('immediate', 'drain', 'migrate')`)
export class SecurityPolicyEntity implements SecurityPolicy {
  @PrimaryColumn({ name: 'id', type: 'smallint' })
  id!: number;

  @Column({ name: 'global_min_token_version', type: 'integer', default: 1 })
  globalMinTokenVersion!: number;

  @Column({ name: 'grace_period_seconds', type: 'integer', default: 300 })
  gracePeriodSeconds!: number;

  @Column({ name: 'rotation_mode', type: 'text', default: 'immediate' })
  mode!: CutOffMode;

  @Column({ name: 'grace_ends_at', type: 'timestamptz', nullable: true })
  graceEndsAt!: Date | null;

  @Column({ name: 'last_rotation_at', type: 'timestamptz', nullable: true })
  lastRotationAt!: Date | null;

  @Column({ name: 'last_rotation_reason', type: 'text', nullable: true })
  lastRotationReason!: string | null;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'updated_at', type: 'timestamptz', default: () => 'now()' })
  updatedAt!: Date;
}
