import { Query } from '@nestjs/cqrs';
import type { AuthEventPage, EventPosition } from '../../ports/auth-event.log';
import type { Actor } from '../actor';

/** Reads a page of a session's events, oldest first. */
export class GetSessionHistoryQuery extends Query<AuthEventPage> {
  constructor(
    readonly sessionId: string,
    /** 1 to 1,000. */
    readonly limit: number,
    readonly after?: EventPosition,
    /** The reader. If it names a user, the reading is recorded. */
    readonly actor: Actor = {},
  ) {
    super();
  }
}
