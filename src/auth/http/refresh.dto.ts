import { IsString } from 'class-validator';
import { IfPresent } from './kit/validation.pipe';
import { DeviceDto } from './login.dto';

export class RefreshDto extends DeviceDto {
  /** The newest refresh token of the session, unless the cookie holds it. Any string is judged by its seal, also an empty one. */
  @IsString()
  @IfPresent()
  refreshToken?: string;
}
