import { Injectable } from '@nestjs/common';
import type { EntitySchema, EntitySchemaColumnOptions } from 'typeorm';
import {
  AUTH_EVENTS,
  AuthTokenRefreshAttempted,
  AuthTokenRefreshSucceeded,
  type AuthEvent,
  classOf,
  detailsOf,
} from '../../domain/events';
import {
  AuthEventLog,
  type AuthEventPage,
  type Dropped,
  type EventCount,
  type EventFilter,
  type EventOrder,
  type EventPosition,
  type RecordedEvent,
} from '../../ports/auth-event.log';
import { foldedFrom, pageOf, type StoredEvent } from '../../ports/folded-refresh';
import { RARE_TYPES } from '../../ports/rare-events';
import { PostgresSettings } from '../../options/postgres.settings';
import { authEventEntity } from './auth-event.entity';
import { EventPartitions } from './event-partitions';
import { type Names, names } from './names';
import { TypeOrmUnitOfWork } from './typeorm-unit-of-work';

/** The event log in PostgreSQL: `auth_events`, partitioned by time. */
@Injectable()
export class TypeOrmAuthEventLog extends AuthEventLog {
  private readonly names: Names;
  private readonly entity: EntitySchema<RecordedEvent>;
  private readonly inserts: ReturnType<typeof insertsInto>;

  constructor(
    private readonly unitOfWork: TypeOrmUnitOfWork,
    private readonly settings: PostgresSettings,
  ) {
    super();
    this.names = names(settings.schema);
    this.entity = authEventEntity(this.names);
    this.inserts = insertsInto(this.names.events, this.entity);
  }

  async append(events: readonly AuthEvent[]): Promise<void> {
    await this.unitOfWork.ownManager.query(this.inserts.all, [jsonOf(foldedFrom(events).records)]);
  }

  async appendNew(events: readonly AuthEvent[]): Promise<AuthEvent[]> {
    const { records, storedWith } = foldedFrom(events);
    const stored = await this.unitOfWork.ownManager.query<{ id: string }[]>(this.inserts.new, [jsonOf(records)]);
    return storedWith(new Set(stored.map(({ id }) => id)));
  }

  /** Its statements are never named: PostgreSQL would plan them for any values, and a partial index serves only some. */
  async find(
    filter: EventFilter,
    limit: number,
    after?: EventPosition,
    order: EventOrder = 'newest first',
  ): Promise<AuthEventPage> {
    const [direction, onward] = order === 'newest first' ? (['DESC', '<='] as const) : (['ASC', '>='] as const);
    const { type, outcome, from, to, ...equal } = filter;
    // The planner takes type and outcome for independent, and would read the whole log to find nothing.
    if (outcome !== undefined && outcome !== (outcomeOf(type) ?? outcome)) return { items: [], next: null };

    const query = this.unitOfWork.ownManager.createQueryBuilder(this.entity, 'event');
    for (const [property, value] of Object.entries(equal)) {
      if (value !== undefined) query.andWhere(`event.${property} = :${property}`, { [property]: value });
    }
    const { type: folded } = AuthTokenRefreshSucceeded;
    if (type === AuthTokenRefreshAttempted.type) query.andWhere('event.type = ANY(:types)', { types: [type, folded] });
    else if (type !== undefined) query.andWhere('event.type = :type', { type });
    if (outcome === 'attempted')
      query.andWhere('(event.outcome = :outcome OR event.type = :folded)', { outcome, folded });
    else if (outcome !== undefined) query.andWhere('event.outcome = :outcome', { outcome });
    if (from !== undefined) query.andWhere('event.occurredAt >= :from', { from });
    if (to !== undefined) query.andWhere('event.occurredAt < :to', { to });
    if (after !== undefined)
      query.andWhere(`(event.occurredAt, event.id) ${onward} (:occurredAt, :id)`, {
        occurredAt: after.occurredAt,
        id: after.id,
      });
    // An attempt's id carries its millisecond, which saves the log an index on a column that nothing else looks for.
    if (equal.attemptId !== undefined) query.andWhere('event.occurredAt = :at', { at: timeOf(equal.attemptId) });
    query.orderBy('event.occurredAt', direction).addOrderBy('event.id', direction);
    return pageOf(await query.take(limit + 2).getMany(), filter, limit, after, order);
  }

  /** Type by type, since only the index of types and times has an end of each: `most` bounds what is read. */
  countRare(from: Date, hours: number, most: number): Promise<readonly EventCount[]> {
    const to = new Date(from.getTime() + hours * 3_600_000);
    return this.unitOfWork.ownManager.query<EventCount[]>(
      `SELECT known.type, floor(extract(epoch FROM rare.occurred_at - $2::timestamptz) / 3600)::integer AS hour,
              count(*)::integer AS count
         FROM unnest($1::text[]) AS known (type)
        CROSS JOIN LATERAL (
          SELECT occurred_at FROM ${this.names.events}
           WHERE type = known.type AND ${RARE} AND occurred_at >= $2 AND occurred_at < $3
           ORDER BY occurred_at DESC LIMIT $4
        ) AS rare
        GROUP BY 1, 2`,
      [RARE_TYPES, from, to, most],
    );
  }

  async dropOlderThan(retentionSeconds: number, dryRun: boolean, stop?: AbortSignal): Promise<Dropped> {
    if (this.settings.auditPartition === 'external') return { partitions: 0, rows: 0 };
    return new EventPartitions(this.unitOfWork, this.names).dropOlderThan(retentionSeconds, dryRun, stop);
  }
}

/** In the words of the partial index of types, which serves a statement that says the same. */
const RARE = `type NOT IN ('${AuthTokenRefreshAttempted.type}', '${AuthTokenRefreshSucceeded.type}')`;

/** The statements that store records; their one parameter is the JSON of all, since a statement has 65,535 at most. */
function insertsInto(table: string, { options }: EntitySchema<RecordedEvent>) {
  const columns = Object.entries<EntitySchemaColumnOptions | undefined>(options.columns);
  const listed = (one: (property: string, column: EntitySchemaColumnOptions | undefined) => string) =>
    columns.map(([property, column]) => one(property, column)).join(', ');
  const given = `json_to_recordset($1::json) AS given (${listed((property, column) => `"${property}" ${String(column?.type)}`)}, "ending" uuid)`;
  const insert = `INSERT INTO ${table} (${listed((_, column) => String(column?.name))}) SELECT ${listed((property) => `given."${property}"`)}`;
  return {
    all: `${insert} FROM ${given}`,
    // One statement, since an attempt without its ending must never be seen.
    new: `WITH given AS (SELECT * FROM ${given}),
               ended AS (${insert} FROM given WHERE ending IS NULL ON CONFLICT DO NOTHING RETURNING id),
               begun AS (${insert} FROM given JOIN ended ON ended.id = given.ending ON CONFLICT DO NOTHING RETURNING id)
          SELECT id FROM ended UNION ALL SELECT id FROM begun`,
  };
}

const jsonOf = (records: readonly StoredEvent[]): string =>
  JSON.stringify(records.map(({ event, ending }) => ({ ...rowOf(event), ending: ending?.context.eventId })));

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

/** The outcome of all events of a type; undefined for a type that is unknown, or none. */
const outcomeOf = (type: string | undefined) => AUTH_EVENTS.find((one) => one.type === type)?.outcome;

const timeOf = (uuidv7: string): Date => new Date(parseInt(uuidv7.replace('-', '').slice(0, 12), 16));
