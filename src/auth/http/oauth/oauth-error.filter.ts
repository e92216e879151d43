import { Catch } from '@nestjs/common';
import { ProblemDetailsFilter } from '../../../guard/nest/problem-details.filter';
import { type Problem, ProblemException } from '../../../guard/nest/problem.exception';
import type { ProblemDetails } from '../kit/problem-details.dto';
import type { OAuthErrorDto } from './oauth.dto';

/** The error codes of RFC 6749 section 5.2 that these routes use. */
export type OAuthErrorCode =
  'invalid_request' | 'invalid_client' | 'invalid_grant' | 'invalid_scope' | 'unsupported_grant_type';

/** 400, or with a challenge 401, in the words of RFC 6749 section 5.2. */
export const oauthError = (
  code: OAuthErrorCode,
  path: string,
  message: string,
  more: Pick<Problem, 'challenge'> = {},
): ProblemException =>
  new ProblemException(more.challenge === undefined ? 400 : 401, { code, errors: [{ path, message }], ...more });

/** By status, for problems that are not OAuth's own: a client branches on the status and on `Retry-After` there. */
const CODES: Readonly<Record<number, string>> = {
  401: 'invalid_client',
  429: 'temporarily_unavailable',
  503: 'temporarily_unavailable',
};
const OWN: readonly string[] = ['invalid_client', 'invalid_grant', 'invalid_scope', 'unsupported_grant_type'];

/** Answers every error as OAuth does (RFC 6749 section 5.2, RFC 7009 section 2.2.1): a status, `error` and `error_description`. */
@Catch()
export class OAuthErrorFilter extends ProblemDetailsFilter {
  protected override readonly mediaType = 'application/json';

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
