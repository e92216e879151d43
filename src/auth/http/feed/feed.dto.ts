import { CUT_OFF_MODES, type CutOffMode } from '../../../guard/versions';
import { ApiProperty } from '../kit/openapi';
import { Type } from '../kit/rules';
import { ByRule, IfPresent } from '../kit/validation.pipe';
import { cursorOfText } from '../../application/resource-servers/feed-cursor';
import { MAX_WAIT } from '../../application/resource-servers/revocation-polls';

const cursorProblem = (cursor: unknown): string | null =>
  cursorOfText(cursor) === null ? 'must be the `cursor` of an earlier answer' : null;

const waitProblem = (wait: unknown): string | null =>
  Number.isInteger(wait) && Number(wait) >= 0 && Number(wait) <= MAX_WAIT
    ? null
    : `must be a whole number of seconds from 0 to ${MAX_WAIT}`;

export class PollDto {
  @IfPresent()
  @ByRule(cursorProblem)
  after?: string;

  @IfPresent()
  @Type(() => Number)
  @ByRule(waitProblem)
  wait?: number;
}

export class FeedPolicyDto {
  /** Tokens whose `gv` is lower are refused, except during a grace period. */
  @ApiProperty({ example: 1 })
  version!: number;

  /** `immediate`: no grace period. `drain` and `migrate`: until `graceEndsAt`, tokens of the version just before are accepted. */
  @ApiProperty({ enum: CUT_OFF_MODES })
  mode!: CutOffMode;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  graceEndsAt!: Date | null;
}

export class SnapshotPageDto {
  /** From 1 to `pages`. */
  @ApiProperty({ example: 1 })
  page!: number;

  @ApiProperty({ example: 1 })
  pages!: number;
}

export class FeedRevocationDto {
  /** `session`: tokens of the session `subject` are refused. `user`: those of the user `subject` whose `uv` is below `minVersion`. */
  @ApiProperty({ enum: ['session', 'user'] })
  kind!: 'session' | 'user';

  /** The `sid` or `sub` of the tokens. */
  @ApiProperty({ example: '0198a0b0-0000-7000-8000-000000000002' })
  subject!: string;

  /** Present for the kind `user`. */
  @ApiProperty({ required: false, example: 2 })
  minVersion?: number;

  /** When it was announced. */
  @ApiProperty({ format: 'date-time' })
  at!: Date;
}

export class RevocationsDto {
  /** The `after` of the next request. It is opaque, and valid on every instance. */
  @ApiProperty({ example: '1796000000.123456.4711.0.1' })
  cursor!: string;

  /** Which page of a snapshot this is: the snapshot is complete with its last page. Null for changes. */
  @ApiProperty({ type: SnapshotPageDto, nullable: true })
  snapshot!: SnapshotPageDto | null;

  /** The `iss` of the tokens that this feed is about. */
  @ApiProperty({ example: 'https://auth.example' })
  issuer!: string;

  /** One value: never combine a version from one answer with a mode from another. */
  @ApiProperty({ type: FeedPolicyDto })
  policy!: FeedPolicyDto;

  /** In seconds: a token expires at `iat` plus this at the latest, whatever its `exp` says. */
  @ApiProperty({ example: 900 })
  accessTokenTtl!: number;

  /** The clock by which tokens are judged, read when the answer was sent. */
  @ApiProperty({ format: 'date-time' })
  now!: Date;

  @ApiProperty({ type: [FeedRevocationDto] })
  revocations!: readonly FeedRevocationDto[];
}
