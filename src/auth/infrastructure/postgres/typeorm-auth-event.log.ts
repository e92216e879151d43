import { Injectable } from '@nestjs/common';
import type { EntitySchema, QueryDeepPartialEntity } from 'typeorm';
import { type AuthEvent, classOf, detailsOf } from '../../domain/events';
import {
  AuthEventLog,
  type EventFilter,
  type EventOrder,
  type EventPosition,
  type RecordedEvent,
} from '../../ports/auth-event.log';
import { AuthOptions } from '../../options/auth.options';
import { authEventEntity } from './auth-event.entity';
import { type Names, names, TABLES } from './names';
import { failedWith } from './sql-state';
import { TypeOrmUnitOfWork } from './typeorm-unit-of-work';

/** A statement has 65,535 parameters at most, an event 12; and a user may have thousands of sessions that end together. */
const MAX_ROWS = 1000;
/**
 * Creating or dropping a partition locks the whole log, and every answer waits for its record: it is better to try again
 * later than to wait for a reader.
 */
export const LOG_LOCK_TIMEOUT = '200ms';
const LOCK_NOT_AVAILABLE = '55P03';

/** The event log in PostgreSQL: `auth_events`, partitioned by month. */
@Injectable()
export class TypeOrmAuthEventLog extends AuthEventLog {
  private readonly names: Names;
  private readonly entity: EntitySchema<RecordedEvent>;

  constructor(
    private readonly unitOfWork: TypeOrmUnitOfWork,
    options: AuthOptions,
  ) {
    super();
    this.names = names(options.schema);
    this.entity = authEventEntity(this.names);
  }

  async append(events: readonly AuthEvent[]): Promise<void> {
    await this.unitOfWork.run(async () => {
      for (let first = 0; first < events.length; first += MAX_ROWS) {
        await this.insert(events.slice(first, first + MAX_ROWS)).execute();
      }
    });
  }

  async appendNew(events: readonly AuthEvent[]): Promise<AuthEvent[]> {
    const stored = await this.insert(events).orIgnore().returning(['id']).execute();
    const ids = new Set((stored.raw as { id: string }[]).map(({ id }) => id));
    return events.filter(({ context }) => ids.has(context.eventId));
  }

  async find(
    filter: EventFilter,
    limit: number,
    after?: EventPosition,
    order: EventOrder = 'newest first',
  ): Promise<RecordedEvent[]> {
    const [direction, beyond] = order === 'newest first' ? (['DESC', '<'] as const) : (['ASC', '>'] as const);
    const { from, to, ...equal } = filter;
    const query = this.unitOfWork.manager.createQueryBuilder(this.entity, 'event');
    for (const [property, value] of Object.entries(equal)) {
      if (value !== undefined) query.andWhere(`event.${property} = :${property}`, { [property]: value });
    }
    if (from !== undefined) query.andWhere('event.occurredAt >= :from', { from });
    if (to !== undefined) query.andWhere('event.occurredAt < :to', { to });
    if (after !== undefined) query.andWhere(`(event.occurredAt, event.id) ${beyond} (:occurredAt, :id)`, { ...after });
    // An attempt's id carries its millisecond, which saves the log an index on a column that nothing else looks for.
    if (equal.attemptId !== undefined) query.andWhere('event.occurredAt = :at', { at: timeOf(equal.attemptId) });
    return query.orderBy('event.occurredAt', direction).addOrderBy('event.id', direction).take(limit).getMany();
  }

  async dropOlderThan(retentionSeconds: number, dryRun: boolean): Promise<number> {
    const { manager } = this.unitOfWork;
    const partitions = await manager.query<{ name: string }[]>(
      `SELECT relname AS name FROM pg_inherits JOIN pg_class ON oid = inhrelid
        WHERE inhparent = '${this.names.events}'::regclass AND relname ~ '^${TABLES.events}_[0-9]{4}_[0-9]{2}$'
          AND to_date(right(relname, 7), 'YYYY_MM') + interval '1 month' < (now() - make_interval(secs => $1::integer)) AT TIME ZONE 'UTC'`,
      [retentionSeconds],
    );
    if (dryRun) return partitions.length;
    let dropped = 0;
    for (const { name } of partitions) if (await this.drop(name)) dropped++;
    return dropped;
  }

  /** False when others are at the log all the time. */
  private async drop(partition: string): Promise<boolean> {
    try {
      await this.unitOfWork.run(async () => {
        await this.unitOfWork.manager.query(`SET LOCAL lock_timeout = '${LOG_LOCK_TIMEOUT}'`);
        await this.unitOfWork.manager.query(`DROP TABLE IF EXISTS ${this.names.inSchema(partition)}`);
      });
      return true;
    } catch (error) {
      if (failedWith(error, LOCK_NOT_AVAILABLE)) return false;
      throw error;
    }
  }

  private insert(events: readonly AuthEvent[]) {
    return this.unitOfWork.manager
      .createQueryBuilder()
      .insert()
      .into(this.entity)
      .values(events.map(rowOf) as QueryDeepPartialEntity<RecordedEvent>[])
      .updateEntity(false); // or it would ask for each row's details back
  }
}

const rowOf = (event: AuthEvent): RecordedEvent => {
  const { type, outcome } = classOf(event);
  const { eventId, ...context } = event.context;
  return {
    id: eventId,
    type,
    outcome,
    ...context,
    reason: 'reason' in event ? event.reason : null,
    details: detailsOf(event),
  };
};

const timeOf = (uuidv7: string): Date => new Date(parseInt(uuidv7.replace('-', '').slice(0, 12), 16));
