import { EntitySchema } from 'typeorm';
import type { RevocationReason } from '../../domain/refusals';
import { type Names, TABLES } from './names';

export interface UserTokenVersionRow {
  readonly userId: string;
  readonly minTokenVersion: number;
  readonly endedBelow: number;
  readonly endedReason: RevocationReason | null;
  readonly raisedAt: Date;
  readonly reason: string;
}

/** A user's floor, in auth's own table so that a host changes no schema. No row means 1. */
export const userTokenVersionEntity = ({ schema, typeOrm }: Names) =>
  new EntitySchema<UserTokenVersionRow>({
    name: typeOrm('UserTokenVersion'),
    tableName: TABLES.floors,
    schema,
    columns: {
      userId: { name: 'user_id', type: 'text', primary: true },
      minTokenVersion: { name: 'min_token_version', type: 'integer' },
      endedBelow: { name: 'ended_below', type: 'integer', default: 0 },
      endedReason: { name: 'ended_reason', type: 'text', nullable: true },
      raisedAt: { name: 'raised_at', type: 'timestamptz', default: () => 'now()' },
      reason: { name: 'reason', type: 'text' },
    },
    // For the clean-up, which asks whose sessions ended within the life of a session.
    indices: [{ name: 'user_token_versions_ended', columns: ['raisedAt', 'userId'], where: 'ended_below > 0' }],
    checks: [
      { name: 'user_token_versions_min_token_version_check', expression: 'min_token_version >= 1' },
      {
        name: 'user_token_versions_ended_check',
        expression: 'ended_below <= min_token_version AND (ended_below = 0) = (ended_reason IS NULL)',
      },
    ],
  });
