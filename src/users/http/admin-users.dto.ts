import {
  ApiProperty,
  ArrayMaxSize,
  ArrayUnique,
  ByRule,
  IfPresent,
  IsArray,
  IsBoolean,
  IsInt,
  Matches,
  Max,
  Min,
  Type,
} from '../../auth/http';
import { type ActingToken, type DirectoryUser, plainTextProblem, reasonProblem, type TokenType } from '../../index';

const ROLE = /^[a-z][a-z0-9_-]{0,63}$/;

export class UpdateUserDto {
  @ApiProperty({ required: false, example: true })
  @IsBoolean()
  @IfPresent()
  isActive?: boolean;

  /** Replaces all roles. */
  @ApiProperty({ required: false, example: ['user'] })
  @IsArray()
  @ArrayMaxSize(32)
  @ArrayUnique()
  @Matches(ROLE, { each: true, message: 'each of roles must be a lower-case word of at most 64 characters' })
  @IfPresent()
  roles?: string[];
}

export class ActForUserDto {
  /** Why; kept in the audit trail. */
  @ApiProperty({ example: 'Ticket 4711: the user sees an empty invoice', maxLength: 500, pattern: '\\S' })
  @ByRule(reasonProblem)
  reason!: string;
}

export class ActingTokenDto implements ActingToken {
  /** Shown once. */
  @ApiProperty({ example: 'eyJhbGciOi…' })
  accessToken!: string;

  /** `DPoP` if your session is bound to a key that must prove each use of an access token. */
  @ApiProperty({ enum: ['Bearer', 'DPoP'] })
  tokenType!: TokenType;

  /** Seconds until the token expires. */
  @ApiProperty({ example: 600 })
  expiresIn!: number;

  /** The same as a time of the database's clock. */
  @ApiProperty({ format: 'date-time' })
  expiresAt!: Date;
}

const MAX_QUERY = 320;

export class FindUsersDto {
  /** A part of the e-mail in any case, or the whole id; without it, all users. */
  @ApiProperty({ required: false, maxLength: MAX_QUERY, example: 'user@example.com' })
  @ByRule((query) => plainTextProblem(query) ?? lengthProblem(query as string))
  @IfPresent()
  query?: string;

  /** The maximum number of users; 20 by default. */
  @ApiProperty({ required: false, minimum: 1, maximum: 100, default: 20 })
  @Max(100)
  @Min(1)
  @IsInt()
  @Type(() => Number)
  @IfPresent()
  limit?: number;
}

const lengthProblem = (query: string) =>
  query.length > MAX_QUERY ? `must have at most ${MAX_QUERY} characters` : null;

export class UserDto implements DirectoryUser {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: 'user@example.com' })
  email!: string;

  @ApiProperty({ example: ['user'] })
  roles!: readonly string[];

  @ApiProperty({ example: true })
  isActive!: boolean;
}

export class FoundUsersDto {
  @ApiProperty({ type: [UserDto] })
  items!: readonly UserDto[];

  /** Whether the search found more users than it returns. */
  @ApiProperty({ example: false })
  hasMore!: boolean;
}
