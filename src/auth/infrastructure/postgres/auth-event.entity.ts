import { EntitySchema } from 'typeorm';
import { AuthTokenRefreshAttempted, AuthTokenRefreshSucceeded } from '../../domain/events';
import type { RecordedEvent } from '../../ports/auth-event.log';
import { type Names, TABLES } from './names';

/** One row of the append-only event log, partitioned by `occurred_at`. */
export const authEventEntity = ({ schema, typeOrm }: Names) =>
  new EntitySchema<RecordedEvent>({
    name: typeOrm('AuthEvent'),
    tableName: TABLES.events,
    schema,
    columns: {
      occurredAt: { name: 'occurred_at', type: 'timestamptz', primary: true },
      id: { name: 'id', type: 'uuid', primary: true },
      type: { name: 'type', type: 'text' },
      attemptId: { name: 'attempt_id', type: 'uuid', nullable: true },
      userId: { name: 'user_id', type: 'text', nullable: true },
      sessionId: { name: 'session_id', type: 'uuid', nullable: true },
      generation: {
        name: 'generation',
        type: 'bigint',
        nullable: true,
        transformer: { from: numberOf, to: numberOf },
      },
      ipAddress: { name: 'ip_address', type: 'inet', nullable: true },
      userAgent: { name: 'user_agent', type: 'text' },
      outcome: { name: 'outcome', type: 'text' },
      reason: { name: 'reason', type: 'text', nullable: true },
      details: { name: 'details', type: 'jsonb', default: {} },
    },
    indices: [
      { name: 'auth_events_session', columns: ['sessionId', 'occurredAt'] },
      { name: 'auth_events_user', columns: ['userId', 'occurredAt'] },
      {
        name: 'auth_events_type',
        columns: ['type', 'occurredAt'],
        where: `type NOT IN ('${AuthTokenRefreshAttempted.type}', '${AuthTokenRefreshSucceeded.type}')`,
      },
      { name: 'auth_events_failed', columns: ['occurredAt'], where: `outcome = 'failed'` },
    ],
  });

// A forged token may claim any unsigned 32-bit generation, which is more than an integer column holds.
function numberOf(value: string | number | null): number | null {
  return value === null ? null : Number(value);
}
