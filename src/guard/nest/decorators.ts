import { createParamDecorator, SetMetadata, UnauthorizedException, type ExecutionContext } from '@nestjs/common';
import type { Principal } from '../principal';
import { carrierOf } from './http-request';

/** Who may call a route: everyone, or the holders of one of these roles. One key, so that the nearest decorator decides. */
export const ACCESS = 'ratchet:access';
export type Access = 'public' | readonly string[];

/** No access token is asked for. */
export const Public = () => SetMetadata(ACCESS, 'public' satisfies Access);

/** Only users who hold one of these roles now, whatever their access token says: the user is read again. */
export const Roles = (...roles: readonly [string, ...string[]]) => SetMetadata(ACCESS, roles satisfies Access);

/** Whom the access token speaks for, over HTTP, GraphQL and WebSockets; 401 where no guard has found out. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const { user } = carrierOf(context);
  if (user === undefined) throw new UnauthorizedException();
  return user;
});
