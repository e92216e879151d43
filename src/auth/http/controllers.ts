import { AdminSecurityController } from './admin-security.controller';
import { AdminSessionsController } from './admin-sessions.controller';
import { AuthController } from './auth.controller';
import { SessionsController } from './sessions.controller';

/** Auth's own routes. Loaded where they are mounted: they document themselves with @nestjs/swagger. */
export const controllers = [AuthController, SessionsController, AdminSecurityController, AdminSessionsController];
