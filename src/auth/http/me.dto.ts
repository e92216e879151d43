import { ApiProperty } from '@nestjs/swagger';

export class MeDto {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: 'user@example.com' })
  email!: string;

  @ApiProperty({ example: ['user'] })
  roles!: readonly string[];

  /** The session that the access token belongs to. */
  @ApiProperty({ format: 'uuid' })
  sessionId!: string;
}
