import { applyDecorators } from '@nestjs/common';
import { ProblemException, type Problem } from '../../../guard/nest/problem.exception';
import { openapi } from './openapi';
import { ProblemDetails } from './problem-details.dto';

type Documented = Problem & { readonly description: string };

const FIELD = { path: 'deviceName', message: 'deviceName must be shorter than or equal to 128 characters' };

/** The error answer of each status, unless a route documents a special one. */
const PROBLEMS = {
  400: {
    description: 'The request breaks a rule; `errors` lists the broken rules',
    code: 'invalid_request',
    errors: [FIELD],
  },
  401: { description: 'No valid access token, or its user does not exist any more' },
  403: { description: "The user's roles do not allow the request", code: 'insufficient_scope', challenge: 'Bearer' },
  404: { description: 'Not found' },
  409: { description: 'The request conflicts with the stored state' },
  413: { description: 'The body is larger than 16 KiB' },
  415: { description: 'The body is not `application/json` in UTF-8' },
  429: { description: 'Too many requests; retry after `Retry-After`', code: 'throttled' },
  503: { description: 'A dependency is down or busy; nothing changed; retry after `Retry-After`', code: 'unavailable' },
} satisfies Record<number, Documented>;

/** The 403 of a route that nobody uses for somebody else. */
export const IN_PERSON_REQUIRED: Documented = {
  description: 'The access token is one by which somebody acts for the user',
  code: 'in_person_required',
  challenge: 'Bearer',
};

/** The answer of any route to a request that cannot be read as HTTP, for routes with no other problems of their own. */
export const UNREADABLE = { 400: { description: 'The request cannot be read as HTTP', code: 'bad_request' } };

const HEADERS: Readonly<Record<number, string>> = {
  401: 'WWW-Authenticate',
  429: 'Retry-After',
  503: 'Retry-After',
};

/** Documents the error answers of a route: the statuses, and any answer that differs on this route. */
export function ApiProblems(
  statuses: readonly (keyof typeof PROBLEMS)[],
  special: Partial<Record<keyof typeof PROBLEMS, Documented>> = {},
): MethodDecorator & ClassDecorator {
  return openapi.decorator(({ ApiExtraModels, ApiResponse, getSchemaPath }) =>
    applyDecorators(
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
    ),
  );
}
