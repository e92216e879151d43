import { type ListedSession, MAX_PAGE } from '../application/sessions/list-sessions.query';
import { cursorProblem, deviceNameProblem, MAX_DEVICE_NAME, pageProblem } from '../domain/input-rules';
import { ApiProperty } from './kit/openapi';
import { Equals, Type } from './kit/rules';
import { ByRule, IfPresent } from './kit/validation.pipe';

export class SessionDto implements ListedSession {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  /** Whether this is the caller's session. */
  @ApiProperty({ example: true })
  current!: boolean;

  @ApiProperty({ type: String, nullable: true, example: 'a-browser' })
  deviceId!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'Firefox on the laptop' })
  deviceName!: string | null;

  /** The user agent at login, like `ipAddress`. */
  @ApiProperty({ example: 'Mozilla/5.0' })
  userAgent!: string;

  @ApiProperty({ type: String, nullable: true, example: '192.0.2.1' })
  ipAddress!: string | null;

  /** The user agent at the last refresh, like `lastIpAddress`; null before the first refresh. */
  @ApiProperty({ type: String, nullable: true })
  lastUserAgent!: string | null;

  @ApiProperty({ type: String, nullable: true })
  lastIpAddress!: string | null;

  @ApiProperty({ format: 'date-time' })
  createdAt!: Date;

  @ApiProperty({ format: 'date-time' })
  lastUsedAt!: Date;

  /** When the session ends unless it is refreshed. */
  @ApiProperty({ format: 'date-time' })
  expiresAt!: Date;

  /** When the session ends in any case. */
  @ApiProperty({ format: 'date-time' })
  absoluteExpiresAt!: Date;

  @ApiProperty({ example: 0 })
  generation!: number;

  /** How the session is bound to a key of its device; null if it is not. */
  @ApiProperty({ type: String, enum: ['dpop', 'dbsc'], nullable: true, example: null })
  binding!: 'dpop' | 'dbsc' | null;
}

export class SessionPageDto {
  @ApiProperty({ type: [SessionDto] })
  items!: readonly SessionDto[];

  /** The `cursor` of the next page; null on the last page. */
  @ApiProperty({ type: String, nullable: true, example: null })
  nextCursor!: string | null;
}

export class ListSessionsDto {
  @IfPresent()
  @Type(() => Number)
  @ByRule((limit) => pageProblem(limit, MAX_PAGE))
  limit?: number;

  @IfPresent()
  @ByRule(cursorProblem)
  cursor?: string;
}

export class RenameSessionDto {
  /** The name for the device; null removes it. */
  @ApiProperty({ type: String, nullable: true, maxLength: MAX_DEVICE_NAME, example: 'The old laptop' })
  @ByRule(deviceNameProblem)
  deviceName!: string | null;
}

export class RevokeOthersQueryDto {
  @Equals('current')
  except!: 'current';
}

export class RevokedSessionsDto {
  /** The number of sessions that this request ended. */
  @ApiProperty({ example: 2 })
  revokedSessions!: number;
}
