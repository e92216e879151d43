import { IsString } from 'class-validator';
import { DeviceDto } from './login.dto';
import { IfPresent } from './validation.pipe';

export class RefreshDto extends DeviceDto {
  /** The newest refresh token of the session, unless the cookie holds it. Any string is judged by its seal, also an empty one. */
  @IsString()
  @IfPresent()
  refreshToken?: string;
}
