import { Query } from '@nestjs/cqrs';
import type { Session } from '../../domain/session';

/** A session as its user may see it: where it was opened, and where it was last refreshed, which may differ. */
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

/** Lists a user's sessions that could still be refreshed, most recently used first (ASVS 5.0 7.5.2). */
export class ListSessionsQuery extends Query<ListedSession[]> {
  constructor(
    readonly userId: string,
    /** The caller's session, which is marked `current`. */
    readonly currentSessionId?: string,
  ) {
    super();
  }
}
