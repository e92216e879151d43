import { ApiProperty } from '@nestjs/swagger';
import { Equals } from 'class-validator';
import type { ListedSession } from '../application/sessions/list-sessions.query';

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
