import { type ArgumentsHost, Catch } from '@nestjs/common';
import { ProblemDetailsFilter } from '../../../guard/nest/problem-details.filter';
import { type Problem, ProblemException } from '../../../guard/nest/problem.exception';
import { ProofProblem } from '../../../support/proof-problem';
import type { ProblemDetails } from '../kit/problem-details.dto';
import type { OAuthErrorDto } from './oauth.dto';

/** The error codes of RFC 6749 section 5.2 and RFC 9449 that these routes use. */
export type OAuthErrorCode =
  | 'use_dpop_nonce'
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'unsupported_grant_type';

/** 400, or with a challenge 401, in the words of RFC 6749 section 5.2. */
export const oauthError = (
  code: OAuthErrorCode,
  path: string,
  message: string,
  more: Pick<Problem, 'challenge' | 'dpopNonce'> = {},
): ProblemException =>
  new ProblemException(more.challenge === undefined ? 400 : 401, { code, errors: [{ path, message }], ...more });

/** 400 and not 401, as a token endpoint asks for a nonce (RFC 9449 section 8). */
const challengeOf = (dpopNonce: string): ProblemException =>
  oauthError('use_dpop_nonce', 'DPoP', 'the DPoP proof must have the nonce of DPoP-Nonce', { dpopNonce });

/** By status, for problems that are not OAuth's own: a client branches on the status and on `Retry-After` there. */
const CODES: Readonly<Record<number, string>> = {
  401: 'invalid_client',
  429: 'temporarily_unavailable',
  503: 'temporarily_unavailable',
};
const OWN: readonly string[] = [
  ...['invalid_client', 'invalid_grant', 'invalid_scope', 'unsupported_grant_type'],
  ...['use_dpop_nonce', 'invalid_dpop_proof'],
];

/** Answers every error as OAuth does (RFC 6749 section 5.2, RFC 7009 section 2.2.1): a status, `error` and `error_description`. */
@Catch()
export class OAuthErrorFilter extends ProblemDetailsFilter {
  protected override readonly mediaType = 'application/json';

  override catch(exception: unknown, host: ArgumentsHost): ReturnType<ProblemDetailsFilter['catch']> {
    const isChallenge = exception instanceof ProofProblem && exception.nonce !== null;
    return super.catch(isChallenge ? challengeOf(exception.nonce) : exception, host);
  }

  protected override bodyOf(problem: ProblemException): OAuthErrorDto {
    const { title, code, errors = [] } = problem.getResponse() as ProblemDetails;
    const words = errors.map(({ message }) => message).join('; ') || title;
    return {
      error: OWN.includes(code) ? code : (CODES[problem.getStatus()] ?? 'invalid_request'),
      // The characters that RFC 6749 allows there.
      error_description: words.replace(/[^\x20-\x7e]|["\\]/g, '?'),
    };
  }
}
