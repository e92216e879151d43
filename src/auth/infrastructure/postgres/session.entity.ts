import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { RevocationReason } from '../../domain/refusals';
import type { Delivery, Session } from '../../domain/session';

/**
 * One login on one device. No index on a column that a rotation changes: each rotation must stay a HOT update. And hardly a
 * CHECK, since a rotation pays for each of them (ADR 12): a trigger looks at what logins and revocations write.
 */
@Entity({ name: 'sessions' })
@Index('sessions_user_id', ['userId'])
@Index('sessions_absolute_expires_at', ['absoluteExpiresAt'])
@Check('sessions_check', 'expires_at <= absolute_expires_at')
export class SessionEntity implements Session {
  @PrimaryColumn({ name: 'id', type: 'uuid' })
  id!: string;

  @Column({ name: 'user_id', type: 'uuid' })
  userId!: string;

  @Column({ name: 'generation', type: 'integer', default: 0 })
  generation!: number;

  @Column({ name: 'token_hash', type: 'bytea' })
  tokenHash!: Buffer;

  @Column({ name: 'previous_token_hash', type: 'bytea', nullable: true })
  previousTokenHash!: Buffer | null;

  @Column({ name: 'successor_nonce', type: 'bytea', nullable: true })
  successorNonce!: Buffer | null;

  @Column({ name: 'key_id', type: 'smallint' })
  keyId!: number;

  @Column({ name: 'retry_key_hash', type: 'bytea', nullable: true })
  retryKeyHash!: Buffer | null;

  @Column({ name: 'keyed', type: 'boolean', default: false })
  keyed!: boolean;

  @Column({ name: 'replay_count', type: 'integer', default: 0 })
  replayCount!: number;

  @Column({ name: 'rotated_at', type: 'timestamptz', nullable: true })
  rotatedAt!: Date | null;

  @Column({ name: 'token_version', type: 'integer' })
  tokenVersion!: number;

  @Column({ name: 'global_version_at_issuance', type: 'integer' })
  globalVersionAtIssuance!: number;

  @Column({ name: 'delivery', type: 'text' })
  delivery!: Delivery;

  @Column({ name: 'created_at', type: 'timestamptz', default: () => 'now()' })
  createdAt!: Date;

  @Column({ name: 'last_used_at', type: 'timestamptz', default: () => 'now()' })
  lastUsedAt!: Date;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt!: Date;

  @Column({ name: 'absolute_expires_at', type: 'timestamptz' })
  absoluteExpiresAt!: Date;

  @Column({ name: 'revoked_at', type: 'timestamptz', nullable: true })
  revokedAt!: Date | null;

  @Column({ name: 'revoked_reason', type: 'text', nullable: true })
  revokedReason!: RevocationReason | null;

  @Column({ name: 'device_id', type: 'text', nullable: true })
  deviceId!: string | null;

  @Column({ name: 'device_name', type: 'text', nullable: true })
  deviceName!: string | null;

  @Column({ name: 'user_agent', type: 'text' })
  userAgent!: string;

  @Column({ name: 'ip_address', type: 'inet', nullable: true })
  ipAddress!: string | null;

  @Column({ name: 'last_user_agent', type: 'text', nullable: true })
  lastUserAgent!: string | null;

  @Column({ name: 'last_ip_address', type: 'inet', nullable: true })
  lastIpAddress!: string | null;
}
