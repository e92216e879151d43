import type { Principal } from '../principal';
import { ProblemException } from './problem.exception';

/** How recently, and how, the user must have proved who they are. */
export interface Freshness {
  readonly maxAgeSeconds?: number;
  /** One of these levels is enough. */
  readonly acr?: readonly string[];
}

/**
 * No refusal of the token: the client has its user prove who they are once more.
 * @throws ProblemException 401 with the challenge of RFC 9470 section 3
 */
export function demandFreshness(
  { authTime, acr }: Pick<Principal, 'authTime' | 'acr'>,
  { maxAgeSeconds, acr: levels }: Freshness,
  now: Date,
): void {
  const seconds = now.getTime() / 1000;
  const isRecent = maxAgeSeconds === undefined || (authTime !== null && seconds - authTime <= maxAgeSeconds);
  if (isRecent && (levels === undefined || (acr !== null && levels.includes(acr)))) return;
  throw new ProblemException(401, {
    code: 'reauthentication_required',
    recovery: 'step_up',
    challenge: [
      'Bearer error="insufficient_user_authentication"',
      ...(maxAgeSeconds === undefined ? [] : [`max_age="${maxAgeSeconds}"`]),
      ...(levels === undefined ? [] : [`acr_values="${levels.join(' ')}"`]),
    ].join(', '),
  });
}
