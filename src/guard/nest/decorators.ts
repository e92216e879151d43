import { createParamDecorator, SetMetadata, UnauthorizedException, type ExecutionContext } from '@nestjs/common';
import { secondsOf } from '../../support/duration';
import type { Principal } from '../principal';
import type { Freshness } from './freshness';
import { carrierOf } from './http-request';

/** Who may call a route: everyone, or the holders of one of these roles. One key, so that the nearest decorator decides. */
export const ACCESS = 'ratchet:access';
export type Access = 'public' | readonly string[];

/** The route requires no access token. */
export const Public = () => SetMetadata(ACCESS, 'public' satisfies Access);

/** The route requires one of these roles. The user is read again, so the current roles decide, not those in the token. */
export const Roles = (...roles: readonly [string, ...string[]]) => SetMetadata(ACCESS, roles satisfies Access);

export const FRESHNESS = 'ratchet:freshness';

function maxAgeOf(age: string): number {
  if (!/^[1-9]\d{0,5}[smhd]$/.test(age))
    throw new Error(`@RequireAuth: maxAge must be a duration such as '30s', '10m' or '1h', not '${age}'`);
  return secondsOf(age);
}

function levelsOf(acr: string | readonly string[]): readonly string[] {
  const levels = typeof acr === 'string' ? [acr] : acr;
  if (levels.length === 0 || !levels.every((level) => /^[\x21\x23-\x5B\x5D-\x7E]{1,128}$/.test(level)))
    throw new Error('@RequireAuth: acr must be a level, or several, without blanks, quotes and backslashes');
  return levels;
}

/**
 * The route requires a user who has proved who they are within `maxAge`, at the level `acr` or one of several (RFC 9470). The
 * claims of the access token decide. It requires a token on `@Public()` routes, too; the nearest `@RequireAuth()` counts.
 */
export const RequireAuth = ({
  maxAge,
  acr,
}: {
  readonly maxAge?: string;
  readonly acr?: string | readonly string[];
}) => {
  if (maxAge === undefined && acr === undefined) throw new Error('@RequireAuth needs a maxAge, an acr or both');
  return SetMetadata(FRESHNESS, {
    ...(maxAge === undefined ? {} : { maxAgeSeconds: maxAgeOf(maxAge) }),
    ...(acr === undefined ? {} : { acr: levelsOf(acr) }),
  } satisfies Freshness);
};

export const IN_PERSON = 'ratchet:in-person';

/**
 * The route refuses access tokens by which somebody acts for the user (403); so does a route with `@RequireAuth()`, or with
 * `@Roles()` that name `admin`. The nearest `@InPerson()` counts, and with false it accepts them again.
 */
export const InPerson = (required = true) => SetMetadata(IN_PERSON, required);

/** The principal of the access token, over HTTP, GraphQL and WebSockets; 401 if no guard has set it. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const { user } = carrierOf(context);
  if (user === undefined) throw new UnauthorizedException();
  return user;
});
