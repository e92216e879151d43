import { GetSecurityPolicyHandler } from './get-security-policy.handler';
import { PreviewGlobalRotationHandler } from './preview-global-rotation.handler';
import { RecoverAfterFailoverHandler } from './recover-after-failover.handler';
import { RecoverAfterRestoreHandler } from './recover-after-restore.handler';
import { TriggerGlobalTokenRotationHandler } from './trigger-global-token-rotation.handler';
import { TriggerUserTokenRotationHandler } from './trigger-user-token-rotation.handler';
import { UpdateGracePeriodHandler } from './update-grace-period.handler';

export const versionsProviders = [
  GetSecurityPolicyHandler,
  PreviewGlobalRotationHandler,
  RecoverAfterFailoverHandler,
  RecoverAfterRestoreHandler,
  TriggerGlobalTokenRotationHandler,
  TriggerUserTokenRotationHandler,
  UpdateGracePeriodHandler,
];
