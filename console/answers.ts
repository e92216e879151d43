/* What the routes answer, as far as the console reads it. Times are ISO 8601. */

export interface Me {
  readonly id: string;
  readonly email: string;
  readonly roles: readonly string[];
  readonly sessionId: string;
}

export type Counts = Readonly<Record<string, number>>;

export interface Overview {
  readonly instance: string;
  readonly at: string;
  readonly startedAt: string;
  readonly refreshes: Counts;
  readonly logins: Counts;
  readonly limited: Counts;
  readonly theftAlerts: Counts;
  readonly activeSessions: number | null;
  readonly stalenessSeconds: number;
  readonly hashQueue: number;
  readonly auditQueue: number;
  readonly pool: { readonly busy: number; readonly idle: number; readonly waiting: number };
}

export interface Health {
  readonly status: string;
  readonly details?: Readonly<Record<string, { readonly status: string }>>;
}

export interface User {
  readonly id: string;
  readonly email: string;
  readonly roles: readonly string[];
  readonly isActive: boolean;
}

export interface FoundUsers {
  readonly items: readonly User[];
  readonly hasMore: boolean;
}

export interface ListedSession {
  readonly id: string;
  readonly deviceName: string | null;
  readonly userAgent: string;
  readonly ipAddress: string | null;
  readonly lastUserAgent: string | null;
  readonly lastIpAddress: string | null;
  readonly createdAt: string;
  readonly lastUsedAt: string;
  readonly expiresAt: string;
  readonly generation: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

export interface AuditEvent {
  readonly id: string;
  readonly type: string;
  readonly occurredAt: string;
  readonly attemptId: string | null;
  readonly userId: string | null;
  readonly sessionId: string | null;
  readonly generation: number | null;
  readonly ipAddress: string | null;
  readonly userAgent: string;
  readonly outcome: string;
  readonly reason: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Policy {
  readonly globalMinTokenVersion: number;
  readonly mode: string;
  readonly graceEndsAt: string | null;
  readonly gracePeriodSeconds: number;
  readonly lastRotationAt: string | null;
  readonly lastRotationReason: string | null;
}

export interface Preview {
  readonly previousVersion: number;
  readonly newVersion: number;
  readonly gracePeriodSeconds: number;
  readonly sessionsAffected: number;
  readonly sessionsBehind: number;
}

export interface Rotation {
  readonly newVersion: number;
  readonly mode: string;
  readonly graceEndsAt: string | null;
  readonly sessionsAffected: number;
}

export interface Settings {
  readonly accessTokenKeys: readonly {
    readonly kid: string;
    readonly algorithm: string;
    readonly signs: boolean;
    readonly ageDays: number | null;
  }[];
  /** A key that signs is due for a successor after so many days. */
  readonly keyLifeDays: number;
  readonly refreshTokenKeys: readonly { readonly id: number; readonly issues: boolean }[];
  readonly accessTokenTtlSeconds: number;
  readonly refreshTokenTtlSeconds: number;
  readonly sessionAbsoluteTtlSeconds: number;
  readonly replayWindowSeconds: number;
  readonly maxReplays: number;
  readonly maxSessionsPerUser: number;
  readonly adminReauthenticationSeconds: number | null;
  readonly limits: readonly {
    readonly name: string;
    readonly points: number | null;
    readonly seconds: number | null;
  }[];
}

export interface Diagnosis {
  readonly healthy: boolean;
  readonly checks: readonly {
    readonly check: string;
    readonly status: 'ok' | 'warn' | 'fail';
    readonly message: string;
  }[];
}

export interface RareEvents {
  readonly from: string;
  readonly to: string;
  readonly types: readonly {
    readonly type: string;
    readonly outcome: string;
    readonly counts: readonly number[];
    readonly isWhole: boolean;
  }[];
}

export interface ActingToken {
  readonly accessToken: string;
  readonly tokenType: string;
  readonly expiresIn: number;
  readonly expiresAt: string;
}
