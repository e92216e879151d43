import { ApiProperty } from '../../auth/http';

export class RegisteredUserDto {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  /** The e-mail as stored and compared. */
  @ApiProperty({ example: 'sam@example.com' })
  email!: string;

  @ApiProperty({ example: ['user'] })
  roles!: readonly string[];

  @ApiProperty({ format: 'date-time' })
  createdAt!: Date;
}
