import { ApiProperty } from '../auth/http';
import type { Check } from '../findings';

const COUNTS = { type: 'object', additionalProperties: { type: 'number' } } as const;

class PoolDto {
  @ApiProperty({ example: 1 })
  busy!: number;

  @ApiProperty({ example: 4 })
  idle!: number;

  /** Requests that wait for a connection. */
  @ApiProperty({ example: 0 })
  waiting!: number;
}

class AccessKeyDto {
  @ApiProperty({ example: '2026-01-31-a' })
  kid!: string;

  @ApiProperty({ example: 'ES256' })
  algorithm!: string;

  /** The first key signs, every key verifies. */
  @ApiProperty({ example: true })
  signs!: boolean;

  /** From the day in the id, which `ratchet keys generate` writes there; null if it has none. */
  @ApiProperty({ type: Number, nullable: true, example: 31 })
  ageDays!: number | null;
}

class RefreshKeyDto {
  @ApiProperty({ example: 0 })
  id!: number;

  /** The first key issues, every key verifies. */
  @ApiProperty({ example: true })
  issues!: boolean;
}

class LimitDto {
  @ApiProperty({ example: 'loginPerIp' })
  name!: string;

  /** The number of requests in `seconds`; null: no limit. */
  @ApiProperty({ type: Number, nullable: true, example: 100 })
  points!: number | null;

  @ApiProperty({ type: Number, nullable: true, example: 900 })
  seconds!: number | null;
}

export class OverviewDto {
  /** The process that answers. Compare counts of one process only. */
  @ApiProperty({ format: 'uuid' })
  instance!: string;

  @ApiProperty({ format: 'date-time' })
  at!: Date;

  @ApiProperty({ format: 'date-time' })
  startedAt!: Date;

  /** Since the process started, by outcome; the next four count from then, too. */
  @ApiProperty({ ...COUNTS, example: { rotated: 1204 } })
  refreshes!: Readonly<Record<string, number>>;

  @ApiProperty({ ...COUNTS, example: { succeeded: 31 } })
  logins!: Readonly<Record<string, number>>;

  @ApiProperty({ ...COUNTS, example: { rotated: 3 } })
  reauthentications!: Readonly<Record<string, number>>;

  /** By limit: the requests that it refused. */
  @ApiProperty({ ...COUNTS, example: { loginPerIp: 2 } })
  limited!: Readonly<Record<string, number>>;

  /** By type of event. */
  @ApiProperty({ ...COUNTS, example: { 'auth.token.reuse_detected.v1': 0 } })
  theftAlerts!: Readonly<Record<string, number>>;

  /** Sessions that could be refreshed; counted at most every 30 seconds, and estimated above 100,000. */
  @ApiProperty({ type: Number, nullable: true, example: 42 })
  activeSessions!: number | null;

  /** Since the guard last read the revocations; -1 before the first time. */
  @ApiProperty({ example: 0.4 })
  stalenessSeconds!: number;

  /** Passwords that wait to be hashed or verified. */
  @ApiProperty({ example: 0 })
  hashQueue!: number;

  /** Events that wait for their record. */
  @ApiProperty({ example: 0 })
  auditQueue!: number;

  @ApiProperty({ type: PoolDto })
  pool!: PoolDto;
}

export class SettingsDto {
  @ApiProperty({ type: [AccessKeyDto] })
  accessTokenKeys!: readonly AccessKeyDto[];

  /** A key that signs is due for a successor after so many days (NIST SP 800-57 part 1 revision 5, 5.3.6). */
  @ApiProperty({ example: 730 })
  keyLifeDays!: number;

  @ApiProperty({ type: [RefreshKeyDto] })
  refreshTokenKeys!: readonly RefreshKeyDto[];

  @ApiProperty({ example: 300 })
  accessTokenTtlSeconds!: number;

  @ApiProperty({ example: 1_209_600 })
  refreshTokenTtlSeconds!: number;

  @ApiProperty({ example: 2_592_000 })
  sessionAbsoluteTtlSeconds!: number;

  @ApiProperty({ example: 10 })
  replayWindowSeconds!: number;

  @ApiProperty({ example: 5 })
  maxReplays!: number;

  /** 0: no limit. */
  @ApiProperty({ example: 100 })
  maxSessionsPerUser!: number;

  /** How old an administrator's proof may be for a change; null: no limit. */
  @ApiProperty({ type: Number, nullable: true, example: 900 })
  adminReauthenticationSeconds!: number | null;

  @ApiProperty({ type: [LimitDto] })
  limits!: readonly LimitDto[];
}

class CheckDto implements Check {
  @ApiProperty({ example: 'standbys' })
  check!: string;

  @ApiProperty({ enum: ['ok', 'warn', 'fail'] })
  status!: 'ok' | 'warn' | 'fail';

  @ApiProperty({ example: 'none' })
  message!: string;
}

export class DiagnosisDto {
  /** False if a check has failed. */
  @ApiProperty({ example: true })
  healthy!: boolean;

  @ApiProperty({ type: [CheckDto] })
  checks!: readonly CheckDto[];
}
