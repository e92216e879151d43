import { FindActiveUserHandler } from './find-active-user.handler';
import { SetUserActiveHandler } from './set-user-active.handler';
import { SetUserRolesHandler } from './set-user-roles.handler';

export const usersProviders = [FindActiveUserHandler, SetUserActiveHandler, SetUserRolesHandler];
