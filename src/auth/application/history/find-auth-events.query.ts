import { Query } from '@nestjs/cqrs';
import type { AuthEventPage, EventFilter, EventPosition } from '../../ports/auth-event.log';
import type { Actor } from '../actor';

/** Reads a page of the audit trail, newest first. */
export class FindAuthEventsQuery extends Query<AuthEventPage> {
  constructor(
    readonly filter: EventFilter,
    /** 1 to 200. */
    readonly limit: number,
    readonly after?: EventPosition,
    /** The reader. If it names a user, the reading is recorded. */
    readonly actor: Actor = {},
  ) {
    super();
  }
}
