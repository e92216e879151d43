import { controlProblem } from '../domain/input-rules';
import { ApiProperty } from './kit/openapi';
import { ByRule } from './kit/validation.pipe';

export class ChangePasswordDto {
  @ApiProperty({ example: 'correct horse battery staple' })
  @ByRule(controlProblem)
  currentPassword!: string;

  /** 8 to 64 characters, at most 72 bytes, and not one of the 3,000 most common passwords. */
  @ApiProperty({ example: 'another four sensible words' })
  @ByRule(controlProblem)
  newPassword!: string;
}
