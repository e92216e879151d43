import { ApiProperty } from '@nestjs/swagger';
import { MaxLength } from 'class-validator';
import { IfPresent, IsPlainText } from '../../auth/http';

export class RegisterDto {
  /** Compared without regard to case and spelling (NFKC). */
  @ApiProperty({ example: 'sam@example.com' })
  @IsPlainText()
  @MaxLength(320)
  email!: string;

  /** 8 to 64 characters, at most 72 bytes, and none of the 3,000 most common. */
  @ApiProperty({ example: 'four sensible words here' })
  @IsPlainText()
  password!: string;

  @ApiProperty({ example: 'Sam' })
  @IsPlainText()
  @MaxLength(100)
  @IfPresent()
  displayName?: string;
}
