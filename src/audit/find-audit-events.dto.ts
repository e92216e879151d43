import { applyDecorators } from '@nestjs/common';
import { ByRule, IsIn, IsInt, IsOptional, IsUUID, Max, Min, rules, Transform, Type, ValidateBy } from '../auth/http';
import { AUTH_EVENTS, MAX_HOURS, userIdProblem } from '../index';
import { OUTCOMES } from './audit-event.dto';
import { positionOf } from './cursor';
import { EXPORT_FORMATS, type ExportFormat } from './exported';

const TYPES = AUTH_EVENTS.map(({ type }) => type);
const TIME = /^[1-9]\d{3}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;

const isTime = (value: unknown): boolean =>
  typeof value === 'string' &&
  TIME.test(value) &&
  rules.apply().isISO8601(value, { strict: true }) &&
  !Number.isNaN(Date.parse(value));

/** `@IsISO8601` lets weeks and times without a zone pass, and `Date` alone the 31st of February. */
const IsTime = () =>
  ValidateBy({
    name: 'isTime',
    validator: {
      validate: isTime,
      defaultMessage: () => '$property must be an ISO 8601 date, or a time with its zone',
    },
  });

const IsCursor = () =>
  ValidateBy({
    name: 'isCursor',
    validator: {
      validate: (value) => typeof value === 'string' && positionOf(value) !== null,
      defaultMessage: () => '$property must be the nextCursor of an earlier page',
    },
  });

/** In either case, and passed on in the lower one. */
const IsId = () =>
  applyDecorators(
    Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.toLowerCase() : value)),
    IsUUID(),
  );

export class SessionHistoryDto {
  /** The `nextCursor` of the previous page. */
  @IsOptional()
  @IsCursor()
  cursor?: string;

  /** The maximum number of items on a page; 1,000 by default. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(1000)
  limit?: number;
}

/** Which events: those that match all that is given. */
class EventFilterDto {
  /** Events about this user. */
  @IsOptional()
  @ByRule(userIdProblem)
  userId?: string;

  /** Events about this session. */
  @IsOptional()
  @IsId()
  sessionId?: string;

  /** Events of this attempt: everything that one request caused. */
  @IsOptional()
  @IsId()
  attemptId?: string;

  /** Events of this type. */
  @IsOptional()
  @IsIn(TYPES)
  type?: string;

  @IsOptional()
  @IsIn(OUTCOMES)
  outcome?: (typeof OUTCOMES)[number];

  /** The earliest time, inclusive, such as 2026-01-31 or 2026-01-31T12:00:00Z. */
  @IsOptional()
  @IsTime()
  from?: string;

  /** The latest time, exclusive. */
  @IsOptional()
  @IsTime()
  to?: string;
}

export class FindAuditEventsDto extends EventFilterDto {
  /** The `nextCursor` of the previous page. */
  @IsOptional()
  @IsCursor()
  cursor?: string;

  /** The maximum number of items on a page; 50 by default. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(200)
  limit?: number;
}

export class ExportAuditEventsDto extends EventFilterDto {
  /** One JSON object a line, or a table for spreadsheets; `jsonl` by default. */
  @IsOptional()
  @IsIn(EXPORT_FORMATS)
  format?: ExportFormat;
}

export class EventHistogramQueryDto {
  /** The number of hours; 24 by default. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(MAX_HOURS)
  hours?: number;

  /** When the last hour ends; now by default. */
  @IsOptional()
  @IsTime()
  to?: string;
}
