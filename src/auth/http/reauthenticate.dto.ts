import { controlProblem } from '../domain/input-rules';
import { ApiProperty } from './kit/openapi';
import { MinLength } from './kit/rules';
import { ByRule } from './kit/validation.pipe';
import { RefreshDto } from './refresh.dto';

export class ReauthenticateDto extends RefreshDto {
  @ApiProperty({ example: 'correct horse battery staple' })
  @ByRule(controlProblem)
  @MinLength(1)
  password!: string;
}
