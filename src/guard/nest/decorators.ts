import { createParamDecorator, SetMetadata, UnauthorizedException, type ExecutionContext } from '@nestjs/common';
import type { Principal } from '../principal';
import { carrierOf } from './http-request';

/** Who may call a route: everyone, or the holders of one of these roles. One key, so that the nearest decorator decides. */
export const ACCESS = 'ratchet:access';
export type Access = 'public' | readonly string[];

/** The route requires no access token. */
export const Public = () => SetMetadata(ACCESS, 'public' satisfies Access);

/** The route requires one of these roles. The user is read again, so the current roles decide, not those in the token. */
export const Roles = (...roles: readonly [string, ...string[]]) => SetMetadata(ACCESS, roles satisfies Access);

/** The principal of the access token, over HTTP, GraphQL and WebSockets; 401 if no guard has set it. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const { user } = carrierOf(context);
  if (user === undefined) throw new UnauthorizedException();
  return user;
});
