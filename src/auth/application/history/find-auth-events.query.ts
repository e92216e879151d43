import { Query } from '@nestjs/cqrs';
import type { EventFilter, EventPosition, RecordedEvent } from '../../ports/auth-event.log';

export interface AuthEventPage {
  readonly items: readonly RecordedEvent[];
  /** Where the next page starts; null on the last one. */
  readonly next: EventPosition | null;
}

/** Reads a page of the audit trail, newest first. */
export class FindAuthEventsQuery extends Query<AuthEventPage> {
  constructor(
    readonly filter: EventFilter,
    /** 1 to 200. */
    readonly limit: number,
    readonly after?: EventPosition,
  ) {
    super();
  }
}

/** Cuts `limit + 1` rows to a page; the extra row says whether there is a next one. */
export function pageOf(found: readonly RecordedEvent[], limit: number): AuthEventPage {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return {
    items,
    next: found.length > limit && last !== undefined ? { occurredAt: last.occurredAt, id: last.id } : null,
  };
}
