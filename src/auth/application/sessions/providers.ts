import { CleanUpSessionsHandler } from './clean-up-sessions.handler';
import { CleanUpSchedule } from './clean-up.schedule';
import { LogOutEverywhereHandler, RevokeUserSessionsHandler } from './end-user-sessions.handlers';
import { EndedSessionsMarker } from './ended-sessions.marker';
import { FactorChangedHandler } from './factor-changed.handler';
import { ListSessionsHandler } from './list-sessions.handler';
import { LogOutLimits } from './log-out-limits';
import { LogOutHandler } from './log-out.handler';
import { OtherSessionsRevocation } from './other-sessions.revocation';
import { RenameSessionHandler } from './rename-session.handler';
import { RevokeOtherSessionsHandler } from './revoke-other-sessions.handler';
import { RevokeSessionHandler } from './revoke-session.handler';
import { SessionCredentials } from './session-credentials';
import { SessionLimit } from './session-limit';
import { SessionTermination } from './session-termination';
import { UserRevocation } from './user-revocation';

export const sessionsProviders = [
  CleanUpSchedule,
  CleanUpSessionsHandler,
  EndedSessionsMarker,
  FactorChangedHandler,
  LogOutEverywhereHandler,
  RevokeUserSessionsHandler,
  ListSessionsHandler,
  LogOutHandler,
  LogOutLimits,
  OtherSessionsRevocation,
  RenameSessionHandler,
  RevokeOtherSessionsHandler,
  RevokeSessionHandler,
  SessionCredentials,
  SessionLimit,
  SessionTermination,
  UserRevocation,
];
