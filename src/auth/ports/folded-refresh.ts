import {
  type AuthEvent,
  AuthTokenRefreshAttempted,
  AuthTokenRefreshFailed,
  AuthTokenRefreshSucceeded,
} from '../domain/events';
import type { AuthEventPage, EventFilter, EventOrder, EventPosition, RecordedEvent } from './auth-event.log';

/*
 * A granted refresh is one stored record, which is both of its events: the record is the ending, and the attempt differs from
 * it only by its id, which is the attempt's, by the generation before, and by the details, of which it has the trace alone.
 * Every log stores and reads it by these rules.
 */

/** An event that is stored as a record of its own. */
export interface StoredEvent {
  readonly event: AuthEvent;
  /** Of an attempt that failed, its ending, if it is given as well: where that is not stored, nor is the attempt. */
  readonly ending: AuthTokenRefreshFailed | undefined;
}

/** How the events of one call are stored. */
export function foldedFrom(events: readonly AuthEvent[]) {
  const endings = new Map<string | null, AuthTokenRefreshSucceeded | AuthTokenRefreshFailed>();
  for (const event of events)
    if (event instanceof AuthTokenRefreshSucceeded || event instanceof AuthTokenRefreshFailed)
      endings.set(event.context.attemptId, event);
  const endingOf = (event: AuthEvent) =>
    event instanceof AuthTokenRefreshAttempted ? endings.get(event.context.attemptId) : undefined;
  const recordOf = (event: AuthEvent) => {
    const ending = endingOf(event);
    return ending instanceof AuthTokenRefreshSucceeded ? ending : event;
  };

  const records: StoredEvent[] = [];
  for (const event of events) {
    const ending = endingOf(event);
    if (!(ending instanceof AuthTokenRefreshSucceeded)) records.push({ event, ending });
  }
  return {
    records,
    /** The events that are stored if the records with these ids are. */
    storedWith: (ids: ReadonlySet<string>): AuthEvent[] =>
      events.filter((event) => ids.has(recordOf(event).context.eventId)),
  };
}

/** The events of a record, in order. */
function eventsOf(record: RecordedEvent): RecordedEvent[] {
  const { type, attemptId, generation, details } = record;
  if (type !== AuthTokenRefreshSucceeded.type || attemptId === null) return [record];
  const attempted: RecordedEvent = {
    ...record,
    id: attemptId,
    type: AuthTokenRefreshAttempted.type,
    outcome: AuthTokenRefreshAttempted.outcome,
    generation: generation === null ? null : generation - 1,
    reason: null,
    details: 'traceId' in details ? { traceId: details.traceId } : {},
  };
  return [attempted, record];
}

/**
 * The page that starts after a position. `records` are in the given order, from the position's own record on, and match the
 * filter, except its type and outcome, by which the events of one record differ. There are `limit + 2` of them, unless the
 * log ends before: the position's own record may have no event left, and an extra event shows that there is a next page.
 */
export function pageOf(
  records: readonly RecordedEvent[],
  { type, outcome }: EventFilter,
  limit: number,
  after: EventPosition | undefined,
  order: EventOrder,
): AuthEventPage {
  const newestFirst = order === 'newest first';
  const found = records.flatMap((record) => {
    const { occurredAt, id } = record;
    const parts = eventsOf(record)
      .map((event, part) => ({ event, position: { occurredAt, id, part } }))
      .filter(({ event }) => (type ?? event.type) === event.type && (outcome ?? event.outcome) === event.outcome)
      .filter(({ position: { part } }) => id !== after?.id || (newestFirst ? part < after.part : part > after.part));
    return newestFirst ? parts.reverse() : parts;
  });
  const items = found.slice(0, limit);
  return {
    items: items.map(({ event }) => event),
    next: found.length > limit ? (items.at(-1)?.position ?? null) : null,
  };
}
