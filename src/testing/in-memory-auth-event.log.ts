import {
  type AuthEvent,
  AuthEventLog,
  classOf,
  detailsOf,
  type EventFilter,
  type EventOrder,
  type EventPosition,
  type RecordedEvent,
} from '../index';
import type { InMemoryStore } from './in-memory-store';

export class InMemoryAuthEventLog extends AuthEventLog {
  constructor(private readonly store: InMemoryStore) {
    super();
  }

  append(events: readonly AuthEvent[]): Promise<void> {
    return this.store.alone(async () => {
      for (const event of events) {
        if (!this.write(event)) this.store.violated(`Event ${event.context.eventId} is stored already`);
      }
    });
  }

  appendNew(events: readonly AuthEvent[]): Promise<AuthEvent[]> {
    return this.store.alone(async () => events.filter((event) => this.write(event)));
  }

  find(
    filter: EventFilter,
    limit: number,
    after?: EventPosition,
    order: EventOrder = 'newest first',
  ): Promise<RecordedEvent[]> {
    const compare =
      order === 'newest first' ? newestFirst : (one: EventPosition, other: EventPosition) => newestFirst(other, one);
    const { from, to, ...equal } = filter;
    const wanted = Object.entries(equal).filter(([, value]) => value !== undefined);
    return this.store.alone(async () =>
      [...this.store.events.values()]
        .filter((event) => wanted.every(([name, value]) => event[name as keyof RecordedEvent] === value))
        .filter(({ occurredAt }) => (!from || occurredAt >= from) && (!to || occurredAt < to))
        .filter((event) => !after || compare(after, event) < 0)
        .sort(compare)
        .slice(0, limit),
    );
  }

  /** Memory has no months to drop. */
  async dropOlderThan(): Promise<number> {
    return 0;
  }

  /** False, and nothing written, when it is stored already. */
  private write(event: AuthEvent): boolean {
    const { type, outcome } = classOf(event);
    const { eventId: id, ...common } = event.context;
    if (this.store.events.has(id)) return false;
    const reason = 'reason' in event ? event.reason : null;
    // To JSON and back, as in a database: a caller that changes a returned event changes a copy.
    const details = JSON.parse(JSON.stringify(detailsOf(event))) as Record<string, unknown>;
    this.store.demandText(common.userAgent, reason, ...Object.values(details).filter((one) => typeof one === 'string'));
    this.store.events.set(id, { id, type, outcome, ...common, reason, details });
    return true;
  }
}

const newestFirst = (a: EventPosition, b: EventPosition): number =>
  b.occurredAt.getTime() - a.occurredAt.getTime() || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
