import {
  type AuthEvent,
  AuthEventLog,
  type AuthEventPage,
  classOf,
  detailsOf,
  type Dropped,
  type EventCount,
  type EventFilter,
  type EventOrder,
  type EventPosition,
  foldedFrom,
  pageOf,
  rareCountsOf,
  type RecordedEvent,
} from 'nest-ratchet';
import type { Maps } from './maps.js';

/** A granted refresh is one record: `foldedFrom` and `pageOf` have the rules. */
export class MapAuthEventLog extends AuthEventLog {
  constructor(private readonly maps: Maps) {
    super();
  }

  append(events: readonly AuthEvent[]): Promise<void> {
    return this.maps.run(async () => {
      for (const { event } of foldedFrom(events).records)
        if (!this.stored(event)) this.maps.refuse('The event is stored already');
    });
  }

  appendNew(events: readonly AuthEvent[]): Promise<AuthEvent[]> {
    const { records, storedWith } = foldedFrom(events);
    return this.maps.run(async () => {
      const ended = records.filter(({ ending }) => ending && this.maps.events.has(ending.context.eventId));
      const open = records.filter((record) => !ended.includes(record));
      const stored = open.filter(({ event }) => this.stored(event));
      return storedWith(new Set(stored.map(({ event }) => event.context.eventId)));
    });
  }

  find(
    filter: EventFilter,
    limit: number,
    after?: EventPosition,
    order: EventOrder = 'newest first',
  ): Promise<AuthEventPage> {
    const sign = order === 'newest first' ? -1 : 1;
    const compare = (one: Place, other: Place) => sign * oldestFirst(one, other);
    // By type and outcome the events of one record differ: pageOf looks at them.
    const { type: _type, outcome: _outcome, from, to, ...equal } = filter;
    const wanted = Object.entries(equal).filter(([, value]) => value !== undefined);
    return this.maps.run(async () => {
      const records = [...this.maps.events.values()]
        .filter((record) => wanted.every(([name, value]) => record[name as keyof RecordedEvent] === value))
        .filter(({ occurredAt }) => (!from || occurredAt >= from) && (!to || occurredAt < to))
        .filter((record) => !after || compare(after, record) <= 0)
        .sort(compare);
      return pageOf(records, filter, limit, after, order);
    });
  }

  countRare(from: Date, hours: number, most: number): Promise<readonly EventCount[]> {
    return this.maps.run(async () => rareCountsOf([...this.maps.events.values()], from, hours, most));
  }

  /** Maps have no partitions, so every event is a row. */
  dropOlderThan(retentionSeconds: number, dryRun: boolean): Promise<Dropped> {
    return this.maps.run(async () => {
      const since = Date.now() - retentionSeconds * 1000;
      const old = [...this.maps.events.values()].filter(({ occurredAt }) => occurredAt.getTime() < since);
      if (!dryRun) for (const { id } of old) this.maps.write(this.maps.events, id, undefined);
      return { partitions: 0, rows: old.length };
    });
  }

  /** False, and nothing is written, when it is stored already. */
  private stored(event: AuthEvent): boolean {
    const { type, outcome } = classOf(event);
    const { eventId: id, ...common } = event.context;
    if (this.maps.events.has(id)) return false;
    const reason = 'reason' in event ? event.reason : null;
    const details = JSON.parse(JSON.stringify(detailsOf(event))) as Record<string, unknown>;
    this.maps.write(this.maps.events, id, { id, type, outcome, ...common, reason, details });
    return true;
  }
}

type Place = Pick<RecordedEvent, 'occurredAt' | 'id'>;

const oldestFirst = (one: Place, other: Place): number =>
  one.occurredAt.getTime() - other.occurredAt.getTime() || (one.id < other.id ? -1 : one.id > other.id ? 1 : 0);
