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
} from '../index';
import type { InMemoryStore } from './in-memory-store';

export class InMemoryAuthEventLog extends AuthEventLog {
  constructor(private readonly store: InMemoryStore) {
    super();
  }

  append(events: readonly AuthEvent[]): Promise<void> {
    return this.store.alone(async () => {
      for (const { event } of foldedFrom(events).records) {
        if (!this.write(event)) this.store.violated(`Event ${event.context.eventId} is stored already`);
      }
    });
  }

  appendNew(events: readonly AuthEvent[]): Promise<AuthEvent[]> {
    const { records, storedWith } = foldedFrom(events);
    return this.store.alone(async () => {
      const stored = new Set<string>();
      for (const { event, ending } of records) {
        const { eventId: endingId } = (ending ?? event).context;
        const hasEnded = this.store.events.has(endingId) && !stored.has(endingId);
        if (!hasEnded && this.write(event)) stored.add(event.context.eventId);
      }
      return storedWith(stored);
    });
  }

  find(
    filter: EventFilter,
    limit: number,
    after?: EventPosition,
    order: EventOrder = 'newest first',
  ): Promise<AuthEventPage> {
    const compare = order === 'newest first' ? newestFirst : (one: Key, other: Key) => newestFirst(other, one);
    const { type: _type, outcome: _outcome, from, to, ...equal } = filter;
    const wanted = Object.entries(equal).filter(([, value]) => value !== undefined);
    return this.store.alone(async () => {
      const records = [...this.store.events.values()]
        .filter((event) => wanted.every(([name, value]) => event[name as keyof RecordedEvent] === value))
        .filter(({ occurredAt }) => (!from || occurredAt >= from) && (!to || occurredAt < to))
        .filter((event) => !after || compare(after, event) <= 0)
        .sort(compare);
      return pageOf(records, filter, limit, after, order);
    });
  }

  countRare(from: Date, hours: number, most: number): Promise<readonly EventCount[]> {
    return this.store.alone(async () => rareCountsOf([...this.store.events.values()], from, hours, most));
  }

  /** Memory has no partitions. */
  dropOlderThan(retentionSeconds: number, dryRun: boolean): Promise<Dropped> {
    return this.store.alone(async () => {
      const limit = this.store.clock.now().getTime() - retentionSeconds * 1000;
      const old = [...this.store.events.values()].filter(({ occurredAt }) => occurredAt.getTime() < limit);
      if (!dryRun) for (const { id } of old) this.store.events.delete(id);
      return { partitions: 0, rows: old.length };
    });
  }

  /** False, and nothing written, when it is stored already. */
  private write(event: AuthEvent): boolean {
    const { type, outcome } = classOf(event);
    const { eventId: id, traceId: _, ...common } = event.context;
    if (this.store.events.has(id)) return false;
    const reason = 'reason' in event ? event.reason : null;
    // To JSON and back, as in a database: a caller that changes a returned event changes a copy.
    const details = JSON.parse(JSON.stringify(detailsOf(event))) as Record<string, unknown>;
    this.store.demandText(common.userAgent, reason, ...Object.values(details).filter((one) => typeof one === 'string'));
    this.store.events.set(id, { id, type, outcome, ...common, reason, details });
    return true;
  }
}

type Key = Pick<RecordedEvent, 'occurredAt' | 'id'>;

const newestFirst = (a: Key, b: Key): number =>
  b.occurredAt.getTime() - a.occurredAt.getTime() || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
