import { ApiProperty } from '../auth/http';
import type { RecordedEvent } from '../index';

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
