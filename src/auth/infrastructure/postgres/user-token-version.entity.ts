import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** A user's floor, in auth's own table so that a host changes no schema. No row means 1. */
@Entity({ name: 'user_token_versions' })
@Check('user_token_versions_min_token_version_check', 'min_token_version >= 1')
export class UserTokenVersionEntity {
  @PrimaryColumn({ name: 'user_id', type: 'uuid' })
  userId!: string;

  @Column({ name: 'min_token_version', type: 'integer' })
  minTokenVersion!: number;

  @Column({ name: 'raised_at', type: 'timestamptz', default: () => 'now()' })
  raisedAt!: Date;

  @Column({ name: 'reason', type: 'text' })
  reason!: string;
}
