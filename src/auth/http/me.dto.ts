import { ApiProperty } from './kit/openapi';
import { USER_ID } from './kit/user-id';

export class MeDto {
  @ApiProperty(USER_ID)
  id!: string;

  @ApiProperty({ example: 'user@example.com' })
  email!: string;

  @ApiProperty({ example: ['user'] })
  roles!: readonly string[];

  /** The session that the access token belongs to. */
  @ApiProperty({ format: 'uuid' })
  sessionId!: string;
}
