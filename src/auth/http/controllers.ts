import { AdminSecurityController } from './admin-security.controller';
import { AdminSessionsController } from './admin-sessions.controller';
import { AuthController } from './auth.controller';
import { DbscController } from './dbsc/dbsc.controller';
import { RegistrationInvitation } from './dbsc/registration-invitation';
import { FeedController } from './feed/feed.controller';
import { RevocationPolls } from '../application/resource-servers/revocation-polls';
import { WarmUp } from './kit/warm-up';
import { ReauthenticationController } from './reauthentication.controller';
import { SessionsController } from './sessions.controller';
import { VerifyController } from './verify.controller';

/** Auth's own routes. Loaded where they are mounted. */
export const controllers = [
  AuthController,
  DbscController,
  ReauthenticationController,
  SessionsController,
  AdminSecurityController,
  AdminSessionsController,
  FeedController,
  VerifyController,
];

/** What serves them. */
export const routeProviders = [WarmUp, RevocationPolls, RegistrationInvitation];
