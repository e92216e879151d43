import { ApiProperty } from '../auth/http';
import type { RareEvents, RecordedEvent } from '../index';

export const OUTCOMES = ['attempted', 'succeeded', 'failed'] as const satisfies RecordedEvent['outcome'][];

/** One event of the audit trail. */
export class AuditEventDto implements RecordedEvent {
  id!: string;
  /** @example 'auth.token_refresh.succeeded.v1' */
  type!: string;
  occurredAt!: Date;
  /** Shared by everything that one request caused. */
  @ApiProperty({ type: String, nullable: true })
  attemptId!: string | null;
  @ApiProperty({ type: String, nullable: true })
  userId!: string | null;
  @ApiProperty({ type: String, nullable: true })
  sessionId!: string | null;
  @ApiProperty({ type: Number, nullable: true })
  generation!: number | null;
  @ApiProperty({ type: String, nullable: true })
  ipAddress!: string | null;
  userAgent!: string;
  @ApiProperty({ enum: OUTCOMES })
  outcome!: RecordedEvent['outcome'];
  @ApiProperty({ type: String, nullable: true })
  reason!: string | null;
  /** The fields that this type of event has beside the common ones. */
  @ApiProperty({ type: Object, additionalProperties: true })
  details!: Readonly<Record<string, unknown>>;
}

export class AuditEventPageDto {
  items!: AuditEventDto[];
  /** The `cursor` of the next page; null on the last page. */
  @ApiProperty({ type: String, nullable: true })
  nextCursor!: string | null;
}

class RareEventsOfTypeDto {
  /** @example 'auth.login.failed.v1' */
  type!: string;
  @ApiProperty({ enum: OUTCOMES })
  outcome!: RecordedEvent['outcome'];
  /** One for each hour, oldest first. */
  @ApiProperty({ type: [Number], example: [0, 3, 1] })
  counts!: readonly number[];
  /** False if there were too many to count: the newest 10,000 of the type are in `counts`. */
  @ApiProperty({ example: true })
  isWhole!: boolean;
}

export class EventHistogramDto implements RareEvents {
  /** When the first hour begins. */
  from!: Date;
  /** When the last hour ends. */
  to!: Date;
  @ApiProperty({ type: [RareEventsOfTypeDto] })
  types!: readonly RareEventsOfTypeDto[];
}
