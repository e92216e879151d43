import { RefreshAccessTokenHandler } from './refresh-access-token.handler';
import { RefreshJudge } from './refresh-judge';
import { RefreshLimits } from './refresh-limits';
import { ValidateRefreshTokenHandler } from './validate-refresh-token.handler';

export const refreshProviders = [RefreshAccessTokenHandler, RefreshJudge, RefreshLimits, ValidateRefreshTokenHandler];
