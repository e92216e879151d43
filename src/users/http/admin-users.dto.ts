import { ApiProperty, ArrayMaxSize, ArrayUnique, IfPresent, IsArray, IsBoolean, Matches } from '../../auth/http';
import { type DirectoryUser } from '../../index';

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
