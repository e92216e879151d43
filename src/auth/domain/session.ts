import { type Floors, isHonoured, type VersionStamps } from '../../guard/versions';
import type { Binding } from './binding';
import type { RevocationReason } from './refusals';

/** How the client holds its refresh token; fixed at login for the session's whole life. */
export type Delivery = 'body' | 'cookie';
export const DELIVERIES = ['body', 'cookie'] as const satisfies readonly Delivery[];

/** The client of a call, as far as it is known. Callers without a request leave it empty. */
export interface Client {
  readonly ip?: string | undefined;
  readonly userAgent?: string | undefined;
  /** The trace id of the request (W3C Trace Context): 32 lower-case hexadecimal digits. Anything else is ignored. */
  readonly traceId?: string | undefined;
  readonly deviceId?: string | undefined;
  readonly deviceName?: string | undefined;
}

/** A host's own claims, as JSON: top-level claims of access tokens. */
export type Claims = Readonly<Record<string, unknown>>;

/** One login on one device, and at the same time the token family: one row, the only arbiter of its tokens. */
export interface Session extends VersionStamps {
  /** UUIDv7: newer sessions have higher ids. */
  readonly id: string;
  /** As the `UserDirectory` spells it. */
  readonly userId: string;
  /** How many times the refresh token was rotated. Order is decided by this number, never by a clock. */
  readonly generation: number;
  /** The digest of the current refresh token: SHA-256, 32 bytes. */
  readonly tokenHash: Buffer;
  /** The digest of the token before; null before the first rotation. */
  readonly previousTokenHash: Buffer | null;
  /** From which, with the token before, the current one is derived again: 16 random bytes; null before the first rotation. */
  readonly successorNonce: Buffer | null;
  /** The key that derived the current secret. */
  readonly keyId: number;
  /** The digest of the `Idempotency-Key` of the last rotation; null if it had none. */
  readonly retryKeyHash: Buffer | null;
  /** True once a rotation or a granted replay had a retry key; never false again. */
  readonly keyed: boolean;
  /** The number of replays without a key since the last rotation. */
  readonly replayCount: number;
  /** On the database's clock, like every time of a session; null before the first rotation. */
  readonly rotatedAt: Date | null;
  readonly delivery: Delivery;
  readonly createdAt: Date;
  readonly lastUsedAt: Date;
  /** The idle limit: moved by each rotation, never past the next one. */
  readonly expiresAt: Date;
  /** The absolute limit, which nothing moves (ASVS 5.0 10.4.8). */
  readonly absoluteExpiresAt: Date;
  readonly revokedAt: Date | null;
  readonly revokedReason: RevocationReason | null;
  readonly deviceId: string | null;
  readonly deviceName: string | null;
  readonly userAgent: string;
  readonly ipAddress: string | null;
  readonly lastUserAgent: string | null;
  readonly lastIpAddress: string | null;
  /** When the user last proved who they are; null if nobody knows. A step-up alone changes it, and the next two with it. */
  readonly authTime: Date | null;
  /** The methods by which they did, such as `pwd` and `otp` (RFC 8176). */
  readonly amr: readonly string[] | null;
  /** The level that this is, as the host names its levels. */
  readonly acr: string | null;
  /** What the host has said of this session when it opened it. Nothing changes it. */
  readonly claims: Claims | null;
  /** The key of the device that must prove each refresh; null if none must. Set when the session is opened, and never changed. */
  readonly binding: Binding | null;
}

/** Whether a session could still be refreshed: neither ended nor expired, and honoured by both floors. `now` is the database's clock. */
export const isLive = (session: Session, floors: Floors, now: Date): boolean =>
  session.revokedAt === null &&
  now < session.expiresAt &&
  now < session.absoluteExpiresAt &&
  isHonoured(session, floors, now);

/** What a session remembers of its opening and of its last step-up, and says in each access token. */
export type SessionProof = Pick<Session, 'authTime' | 'amr' | 'acr' | 'claims'>;

/** The proof of a step-up. It replaces the session's earlier one as a whole: a level is never combined with a later time. */
export interface NewProof extends Pick<Session, 'amr' | 'acr'> {
  readonly authTime: Date;
}

/** The order of a user's sessions: newest use first; of the same moment, the newer session, since ids are UUIDv7. */
export const lastUsedFirst = (one: Session, other: Session): number =>
  other.lastUsedAt.getTime() - one.lastUsedAt.getTime() || (other.id > one.id ? 1 : -1);

/** A session as login opens it; times are the database's, the limits are counted from its clock. */
export interface NewSession
  extends
    VersionStamps,
    SessionProof,
    Pick<
      Session,
      | 'id'
      | 'userId'
      | 'tokenHash'
      | 'keyId'
      | 'delivery'
      | 'deviceId'
      | 'deviceName'
      | 'userAgent'
      | 'ipAddress'
      | 'binding'
    > {
  /** The idle limit in seconds, which each rotation extends. */
  readonly idleTtlSeconds: number;
  /** The absolute limit in seconds. */
  readonly absoluteTtlSeconds: number;
}
