import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { ProblemException, type Problem } from '../../../guard/nest/problem.exception';
import { ProblemDetails } from './problem-details.dto';

type Documented = Problem & { readonly description: string };

const FIELD = { path: 'deviceName', message: 'deviceName must be shorter than or equal to 128 characters' };

/** What the answers of each status look like unless a route says otherwise. */
const PROBLEMS = {
  400: { description: 'The request breaks a rule; `errors` says which', code: 'invalid_request', errors: [FIELD] },
  401: { description: 'No valid access token, or its user is gone' },
  403: { description: "The user's roles do not allow it", code: 'insufficient_scope', challenge: 'Bearer' },
  404: { description: 'Nothing there' },
  409: { description: 'It contradicts what is stored' },
  413: { description: 'The body is larger than 16 KiB' },
  415: { description: 'The body is not `application/json` in UTF-8' },
  429: { description: 'Too many; `Retry-After` says when to come back' },
  503: { description: 'A dependency is down or busy; nothing changed, ask again', code: 'unavailable' },
} satisfies Record<number, Documented>;

const HEADERS: Readonly<Record<number, string>> = {
  401: 'WWW-Authenticate',
  429: 'Retry-After',
  503: 'Retry-After',
};

/** Documents the error answers of a route: the statuses, and what is special about one of them here. */
export function ApiProblems(
  statuses: readonly (keyof typeof PROBLEMS)[],
  special: Partial<Record<keyof typeof PROBLEMS, Documented>> = {},
): MethodDecorator & ClassDecorator {
  return applyDecorators(
    ApiExtraModels(ProblemDetails),
    ...statuses.map((status) => {
      const { description, ...problem }: Documented = special[status] ?? PROBLEMS[status];
      const header = problem.challenge === undefined ? HEADERS[status] : 'WWW-Authenticate';
      return ApiResponse({
        status,
        description,
        ...(header !== undefined && { headers: { [header]: { schema: { type: 'string' } } } }),
        content: {
          'application/problem+json': {
            schema: { $ref: getSchemaPath(ProblemDetails) },
            example: new ProblemException(status, problem).getResponse(),
          },
        },
      });
    }),
  );
}
