import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { EventOutcome } from '../../domain/events';
import type { RecordedEvent } from '../../ports/auth-event.log';

/** One row of the append-only event log, partitioned by month of `occurred_at`. */
@Entity({ name: 'auth_events' })
@Index('auth_events_session', ['sessionId', 'occurredAt'])
@Index('auth_events_user', ['userId', 'occurredAt'])
export class AuthEventEntity implements RecordedEvent {
  @PrimaryColumn({ name: 'occurred_at', type: 'timestamptz' })
  occurredAt!: Date;

  @PrimaryColumn({ name: 'id', type: 'uuid' })
  id!: string;

  @Column({ name: 'type', type: 'text' })
  type!: string;

  @Column({ name: 'attempt_id', type: 'uuid', nullable: true })
  attemptId!: string | null;

  @Column({ name: 'user_id', type: 'uuid', nullable: true })
  userId!: string | null;

  @Column({ name: 'session_id', type: 'uuid', nullable: true })
  sessionId!: string | null;

  @Column({ name: 'generation', type: 'bigint', nullable: true, transformer: { from: numberOf, to: numberOf } })
  generation!: number | null;

  @Column({ name: 'ip_address', type: 'inet', nullable: true })
  ipAddress!: string | null;

  @Column({ name: 'user_agent', type: 'text' })
  userAgent!: string;

  @Column({ name: 'outcome', type: 'text' })
  outcome!: EventOutcome;

  @Column({ name: 'reason', type: 'text', nullable: true })
  reason!: string | null;

  @Column({ name: 'details', type: 'jsonb', default: {} })
  details!: Record<string, unknown>;
}

// A forged token may claim any unsigned 32-bit generation, which is more than an integer column holds.
function numberOf(value: string | number | null): number | null {
  return value === null ? null : Number(value);
}
