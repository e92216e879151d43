import { ApiProperty } from '@nestjs/swagger';
import { ByRule, controlProblem, IfPresent } from '../../index';
import { displayNameProblem, emailProblem } from '../input-rules';

export class RegisterDto {
  /** Compared without regard to case and spelling (NFKC). */
  @ApiProperty({ example: 'sam@example.com' })
  @ByRule(emailProblem)
  email!: string;

  /** 8 to 64 characters, at most 72 bytes, and none of the 3,000 most common. */
  @ApiProperty({ example: 'four sensible words here' })
  @ByRule(controlProblem)
  password!: string;

  @ApiProperty({ example: 'Sam' })
  @ByRule(displayNameProblem)
  @IfPresent()
  displayName?: string;
}
