import type { HttpRequest } from '../../guard/nest/http-request';
import { invalidRequest, ProblemException } from '../../guard/nest/problem.exception';
import type { RefreshRefusal } from '../domain/refusals';
import type { Delivery } from '../domain/session';
import type { AuthOptions } from '../options/auth.options';
import type { TokenDelivery } from './token-delivery';

/* What the routes that take a refresh token have in common. */

export const ORIGIN_REFUSED = {
  description: 'A page of another origin sent the cookie, or requested cookie delivery',
  code: 'origin_refused',
};

/** 429 of a refresh, for the documentation. */
export const REPLAY_REFUSED = {
  description: 'Another request has just refreshed: read your store again (`retry`), or slow down (`wait`)',
  code: 'replay_refused',
  recovery: 'retry',
} as const;

/** The refresh token that a request presents, and how. A token in the body is explicit: the cookie beside it is not looked at. */
export function presentedIn(
  request: HttpRequest,
  { refreshToken }: { readonly refreshToken?: string },
  cookie: TokenDelivery,
): { readonly token: string; readonly delivery: Delivery } {
  if (refreshToken !== undefined) return { token: refreshToken, delivery: 'body' };
  const token = cookie.read(request);
  if (token === undefined) {
    throw invalidRequest({
      path: 'refreshToken',
      message: 'refreshToken must be a string, or be sent as the cookie',
    });
  }
  cookie.demandOrigin(request);
  return { token, delivery: 'cookie' };
}

/** One 401 for every refusal, unless reasons are exposed. */
export function problemOf(refusal: RefreshRefusal, { exposeRefusalReason }: AuthOptions): ProblemException {
  if (refusal.kind === 'refused')
    return new ProblemException(401, { code: exposeRefusalReason ? refusal.reason : 'refresh_refused' });
  const { reason, retryAfterSeconds } = refusal;
  return new ProblemException(429, {
    code: reason,
    recovery: reason === 'replay_refused' ? 'retry' : 'wait',
    retryAfterSeconds,
  });
}
