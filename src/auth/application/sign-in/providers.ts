import { ChangePasswordHandler } from './change-password.handler';
import { LogInHandler } from './log-in.handler';
import { OpenSession } from './open-session';

export const signInProviders = [ChangePasswordHandler, LogInHandler, OpenSession];
