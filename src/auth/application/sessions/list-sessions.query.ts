import { Query } from '@nestjs/cqrs';
import type { Session } from '../../domain/session';

/** A session as its user may see it: where it was opened, and where it was refreshed last, which need not be the same. */
export type ListedSession = Pick<
  Session,
  | 'id'
  | 'deviceId'
  | 'deviceName'
  | 'userAgent'
  | 'ipAddress'
  | 'lastUserAgent'
  | 'lastIpAddress'
  | 'createdAt'
  | 'lastUsedAt'
  | 'expiresAt'
  | 'absoluteExpiresAt'
  | 'generation'
> & { readonly current: boolean };

/** A user's sessions that could still be refreshed, newest use first (ASVS 5.0 7.5.2). */
export class ListSessionsQuery extends Query<ListedSession[]> {
  constructor(
    readonly userId: string,
    /** The session that asks. */
    readonly currentSessionId?: string,
  ) {
    super();
  }
}
