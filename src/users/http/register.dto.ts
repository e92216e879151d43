import { ApiProperty, ByRule, IfPresent } from '../../auth/http';
import { controlProblem } from '../../index';
import { displayNameProblem, emailProblem, MAX_DISPLAY_NAME, MAX_EMAIL } from '../input-rules';

export class RegisterDto {
  /** Compared without regard to case, after Unicode normalisation (NFKC). */
  @ApiProperty({ example: 'sam@example.com', maxLength: MAX_EMAIL })
  @ByRule(emailProblem)
  email!: string;

  /** 8 to 64 characters, at most 72 bytes, and not one of the 3,000 most common passwords. */
  @ApiProperty({ example: 'four sensible words here' })
  @ByRule(controlProblem)
  password!: string;

  @ApiProperty({ example: 'Sam', maxLength: MAX_DISPLAY_NAME })
  @ByRule(displayNameProblem)
  @IfPresent()
  displayName?: string;
}
