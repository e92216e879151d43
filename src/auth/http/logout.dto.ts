import { IsString } from './kit/rules';
import { IfPresent } from './kit/validation.pipe';

export class LogoutDto {
  /** Any genuine refresh token of the session, including a superseded or expired one. */
  @IsString()
  @IfPresent()
  refreshToken?: string;
}
