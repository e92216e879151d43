import { ChangePasswordHandler } from './change-password.handler';
import { LogInHandler } from './log-in.handler';
import { OpenSession } from './open-session';
import { OpenSessionHandler } from './open-session.handler';
import { PasswordProof } from './password-proof';
import { ReadVerifiedUserHandler } from './read-verified-user.handler';
import { SealVerifiedUserHandler } from './seal-verified-user.handler';
import { VerifyPasswordHandler } from './verify-password.handler';

export const signInProviders = [
  ChangePasswordHandler,
  LogInHandler,
  OpenSession,
  OpenSessionHandler,
  PasswordProof,
  ReadVerifiedUserHandler,
  SealVerifiedUserHandler,
  VerifyPasswordHandler,
];
