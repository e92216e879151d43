import { AccessDenials } from '../../../guard/ports/access-denials';
import { FindActiveUserHandler } from './find-active-user.handler';
import { RecordedAccessDenials } from './recorded-access-denials';
import { SetUserActiveHandler } from './set-user-active.handler';
import { SetUserRolesHandler } from './set-user-roles.handler';

export const usersProviders = [
  { provide: AccessDenials, useClass: RecordedAccessDenials },
  FindActiveUserHandler,
  SetUserActiveHandler,
  SetUserRolesHandler,
];
