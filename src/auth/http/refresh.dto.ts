import { IsString } from './kit/rules';
import { IfPresent } from './kit/validation.pipe';
import { DeviceDto } from './login.dto';

export class RefreshDto extends DeviceDto {
  /** The newest refresh token of the session, unless the cookie contains it. Any string is accepted and checked by its seal, even an empty one. */
  @IsString()
  @IfPresent()
  refreshToken?: string;
}
