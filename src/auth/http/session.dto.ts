import { ApiProperty } from '@nestjs/swagger';
import { Equals } from 'class-validator';
import type { ListedSession } from '../application/sessions/list-sessions.query';

export class SessionDto implements ListedSession {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  /** Whether it is the session that asks. */
  @ApiProperty({ example: true })
  current!: boolean;

  @ApiProperty({ type: String, nullable: true, example: 'a-browser' })
  deviceId!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'Firefox on the laptop' })
  deviceName!: string | null;

  /** At login, as the address beside it. */
  @ApiProperty({ example: 'Mozilla/5.0' })
  userAgent!: string;

  @ApiProperty({ type: String, nullable: true, example: '192.0.2.1' })
  ipAddress!: string | null;

  /** At the last refresh, as the address beside it; null before the first. */
  @ApiProperty({ type: String, nullable: true })
  lastUserAgent!: string | null;

  @ApiProperty({ type: String, nullable: true })
  lastIpAddress!: string | null;

  @ApiProperty({ format: 'date-time' })
  createdAt!: Date;

  @ApiProperty({ format: 'date-time' })
  lastUsedAt!: Date;

  /** When it ends unless it is refreshed. */
  @ApiProperty({ format: 'date-time' })
  expiresAt!: Date;

  /** When it ends in any case. */
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
  /** How many sessions ended with this request. */
  @ApiProperty({ example: 2 })
  revokedSessions!: number;
}
