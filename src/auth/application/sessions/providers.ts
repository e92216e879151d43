import { CleanUpSessionsHandler } from './clean-up-sessions.handler';
import { CleanUpSchedule } from './clean-up.schedule';
import { LogOutEverywhereHandler, RevokeUserSessionsHandler } from './end-user-sessions.handlers';
import { ListSessionsHandler } from './list-sessions.handler';
import { LogOutHandler } from './log-out.handler';
import { RevokeOtherSessionsHandler } from './revoke-other-sessions.handler';
import { RevokeSessionHandler } from './revoke-session.handler';
import { SessionCredentials } from './session-credentials';
import { SessionTermination } from './session-termination';
import { UserRevocation } from './user-revocation';

export const sessionsProviders = [
  CleanUpSchedule,
  CleanUpSessionsHandler,
  LogOutEverywhereHandler,
  RevokeUserSessionsHandler,
  ListSessionsHandler,
  LogOutHandler,
  RevokeOtherSessionsHandler,
  RevokeSessionHandler,
  SessionCredentials,
  SessionTermination,
  UserRevocation,
];
