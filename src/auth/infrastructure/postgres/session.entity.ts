import { EntitySchema } from 'typeorm';
import type { Session } from '../../domain/session';
import { type Names, TABLES } from './names';

/**
 * One login on one device. No index on a column that a rotation changes: each rotation must stay a HOT update. And hardly a
 * CHECK, since a rotation pays for each of them (ADR 12): a trigger looks at what logins and revocations write.
 */
export const sessionEntity = ({ schema, typeOrm }: Names) =>
  new EntitySchema<Session>({
    name: typeOrm('Session'),
    tableName: TABLES.sessions,
    schema,
    columns: {
      id: { name: 'id', type: 'uuid', primary: true },
      userId: { name: 'user_id', type: 'text' },
      generation: { name: 'generation', type: 'integer', default: 0 },
      tokenHash: { name: 'token_hash', type: 'bytea' },
      previousTokenHash: { name: 'previous_token_hash', type: 'bytea', nullable: true },
      successorNonce: { name: 'successor_nonce', type: 'bytea', nullable: true },
      keyId: { name: 'key_id', type: 'smallint' },
      retryKeyHash: { name: 'retry_key_hash', type: 'bytea', nullable: true },
      keyed: { name: 'keyed', type: 'boolean', default: false },
      replayCount: { name: 'replay_count', type: 'integer', default: 0 },
      rotatedAt: { name: 'rotated_at', type: 'timestamptz', nullable: true },
      tokenVersion: { name: 'token_version', type: 'integer' },
      globalVersionAtIssuance: { name: 'global_version_at_issuance', type: 'integer' },
      delivery: { name: 'delivery', type: 'text' },
      createdAt: { name: 'created_at', type: 'timestamptz', default: () => 'now()' },
      lastUsedAt: { name: 'last_used_at', type: 'timestamptz', default: () => 'now()' },
      expiresAt: { name: 'expires_at', type: 'timestamptz' },
      absoluteExpiresAt: { name: 'absolute_expires_at', type: 'timestamptz' },
      revokedAt: { name: 'revoked_at', type: 'timestamptz', nullable: true },
      revokedReason: { name: 'revoked_reason', type: 'text', nullable: true },
      deviceId: { name: 'device_id', type: 'text', nullable: true },
      deviceName: { name: 'device_name', type: 'text', nullable: true },
      userAgent: { name: 'user_agent', type: 'text' },
      ipAddress: { name: 'ip_address', type: 'inet', nullable: true },
      lastUserAgent: { name: 'last_user_agent', type: 'text', nullable: true },
      lastIpAddress: { name: 'last_ip_address', type: 'inet', nullable: true },
      authTime: { name: 'auth_time', type: 'timestamptz', nullable: true },
      amr: { name: 'amr', type: 'text', array: true, nullable: true },
      acr: { name: 'acr', type: 'text', nullable: true },
      claims: { name: 'claims', type: 'jsonb', nullable: true },
      binding: { name: 'binding', type: 'jsonb', nullable: true },
    },
    indices: [
      { name: 'sessions_user_id', columns: ['userId'] },
      { name: 'sessions_absolute_expires_at', columns: ['absoluteExpiresAt'] },
    ],
    checks: [{ name: 'sessions_check', expression: 'expires_at <= absolute_expires_at' }],
  });
