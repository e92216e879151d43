import { ReauthenticateHandler } from './reauthenticate.handler';
import { RefreshAccessTokenHandler } from './refresh-access-token.handler';
import { RefreshJudge } from './refresh-judge';
import { RefreshLimits } from './refresh-limits';
import { RegisterDeviceKeyHandler } from './register-device-key.handler';
import { StepUpSessionHandler } from './step-up-session.handler';
import { ValidateRefreshTokenHandler } from './validate-refresh-token.handler';

export const refreshProviders = [
  ReauthenticateHandler,
  RefreshAccessTokenHandler,
  RefreshJudge,
  RefreshLimits,
  RegisterDeviceKeyHandler,
  StepUpSessionHandler,
  ValidateRefreshTokenHandler,
];
