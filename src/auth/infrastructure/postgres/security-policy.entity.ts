import { EntitySchema } from 'typeorm';
import type { SecurityPolicy } from '../../../guard/versions';
import { type Names, TABLES } from './names';

export interface SecurityPolicyRow extends SecurityPolicy {
  readonly id: number;
  readonly recoveryUntil: Date | null;
}

/** The singleton row `id = 1`. */
export const securityPolicyEntity = ({ schema, typeOrm }: Names) =>
  new EntitySchema<SecurityPolicyRow>({
    name: typeOrm('SecurityPolicy'),
    tableName: TABLES.policy,
    schema,
    columns: {
      id: { name: 'id', type: 'smallint', primary: true },
      globalMinTokenVersion: { name: 'global_min_token_version', type: 'integer', default: 1 },
      gracePeriodSeconds: { name: 'grace_period_seconds', type: 'integer', default: 300 },
      mode: { name: 'rotation_mode', type: 'text', default: 'immediate' },
      graceEndsAt: { name: 'grace_ends_at', type: 'timestamptz', nullable: true },
      lastRotationAt: { name: 'last_rotation_at', type: 'timestamptz', nullable: true },
      lastRotationReason: { name: 'last_rotation_reason', type: 'text', nullable: true },
      recoveryUntil: { name: 'recovery_until', type: 'timestamptz', nullable: true, select: false },
      createdAt: { name: 'created_at', type: 'timestamptz', default: () => 'now()' },
      updatedAt: { name: 'updated_at', type: 'timestamptz', default: () => 'now()' },
    },
    checks: [
      { name: 'security_policy_id_check', expression: 'id = 1' },
      { name: 'security_policy_global_min_token_version_check', expression: 'global_min_token_version >= 1' },
      { name: 'security_policy_grace_period_seconds_check', expression: 'grace_period_seconds >= 0' },
      {
        name: 'security_policy_rotation_mode_check',
        expression: `rotation_mode IN ('immediate', 'drain', 'migrate')`,
      },
    ],
  });
