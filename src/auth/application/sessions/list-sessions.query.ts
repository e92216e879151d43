import { Query } from '@nestjs/cqrs';
import type { Binding } from '../../domain/binding';
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
> & {
  readonly current: boolean;
  /** How the session is bound to a key of its device; null if it is not. */
  readonly binding: Binding['kind'] | null;
};

/** A page of a user's sessions. */
export interface ListedSessions {
  readonly items: readonly ListedSession[];
  /** The `cursor` of the next page; null on the last page. */
  readonly nextCursor: string | null;
}

/** The most sessions on a page, and how many there are by default. */
export const MAX_PAGE = 100;

/** Which page, and for whom. */
export interface ListSessionsOptions {
  /** 1 to 100; 100 by default. */
  readonly limit?: number | undefined;
  /** The `nextCursor` of the previous page. */
  readonly cursor?: string | undefined;
  /** The user who asks, by whom the limit `listPerUser` counts; without one there is no limit. */
  readonly by?: string | undefined;
}

/**
 * Lists a page of a user's sessions that could still be refreshed, most recently used first (ASVS 5.0 7.5.2). A session that
 * is refreshed between two pages moves to the front, where a reader that has passed it does not meet it.
 */
export class ListSessionsQuery extends Query<ListedSessions> {
  constructor(
    readonly userId: string,
    /** The caller's session, which is marked `current`. */
    readonly currentSessionId?: string,
    readonly options: ListSessionsOptions = {},
  ) {
    super();
  }
}
