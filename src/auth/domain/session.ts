import type { VersionStamps } from '../../guard/versions';
import type { RevocationReason } from './refusals';

/** How the client holds its refresh token; fixed at login for the session's whole life. */
export const DELIVERIES = ['body', 'cookie'] as const;
export type Delivery = (typeof DELIVERIES)[number];

/** The client of a call, as far as it is known. Callers without a request leave it empty. */
export interface Client {
  readonly ip?: string | undefined;
  readonly userAgent?: string | undefined;
  readonly deviceId?: string | undefined;
  readonly deviceName?: string | undefined;
}

/** One login on one device, and at the same time the token family: one row, the only arbiter of its tokens. */
export interface Session extends VersionStamps {
  readonly id: string;
  readonly userId: string;
  /** How many times the refresh token was rotated. Order is decided by this number, never by a clock. */
  readonly generation: number;
  readonly tokenHash: Buffer;
  readonly previousTokenHash: Buffer | null;
  readonly successorNonce: Buffer | null;
  /** The key that derived the current secret. */
  readonly keyId: number;
  readonly retryKeyHash: Buffer | null;
  /** True once a rotation or a granted replay had a retry key; never false again. */
  readonly keyed: boolean;
  /** The number of replays without a key since the last rotation. */
  readonly replayCount: number;
  readonly rotatedAt: Date | null;
  readonly delivery: Delivery;
  readonly createdAt: Date;
  readonly lastUsedAt: Date;
  /** The idle limit: moved by each rotation, never past the next one. */
  readonly expiresAt: Date;
  readonly absoluteExpiresAt: Date;
  readonly revokedAt: Date | null;
  readonly revokedReason: RevocationReason | null;
  readonly deviceId: string | null;
  readonly deviceName: string | null;
  readonly userAgent: string;
  readonly ipAddress: string | null;
  readonly lastUserAgent: string | null;
  readonly lastIpAddress: string | null;
}

/** The order of a user's sessions: newest use first; of the same moment, the newer session, since ids are UUIDv7. */
export const lastUsedFirst = (one: Session, other: Session): number =>
  other.lastUsedAt.getTime() - one.lastUsedAt.getTime() || (other.id > one.id ? 1 : -1);

/** A session as login opens it; times are the database's, the limits are counted from its clock. */
export interface NewSession
  extends
    VersionStamps,
    Pick<
      Session,
      'id' | 'userId' | 'tokenHash' | 'keyId' | 'delivery' | 'deviceId' | 'deviceName' | 'userAgent' | 'ipAddress'
    > {
  readonly idleTtlSeconds: number;
  readonly absoluteTtlSeconds: number;
}
