import { Query } from '@nestjs/cqrs';
import type { EventPosition } from '../../ports/auth-event.log';
import type { AuthEventPage } from './find-auth-events.query';

/** Reads a page of a session's events, oldest first. */
export class GetSessionHistoryQuery extends Query<AuthEventPage> {
  constructor(
    readonly sessionId: string,
    /** 1 to 1,000. */
    readonly limit: number,
    readonly after?: EventPosition,
  ) {
    super();
  }
}
