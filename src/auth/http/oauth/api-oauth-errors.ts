import { applyDecorators } from '@nestjs/common';
import { ProblemException } from '../../../guard/nest/problem.exception';
import { openapi } from '../kit/openapi';
import { ProblemDetails } from '../kit/problem-details.dto';
import { OAuthErrorDto } from './oauth.dto';

interface Documented {
  readonly description: string;
  readonly error: string;
  readonly words: string;
}

/** The error answer of each status, unless a route documents a special one. */
const ERRORS = {
  400: {
    description: 'The request breaks a rule',
    error: 'invalid_request',
    words: 'each parameter must be given once',
  },
  401: {
    description: 'The client or the service is unknown, or its credentials are wrong',
    error: 'invalid_client',
    words: 'Unauthorized',
  },
  429: {
    description: 'Too many requests; retry after `Retry-After`',
    error: 'temporarily_unavailable',
    words: 'Too Many Requests',
  },
  503: {
    description: 'A dependency is down or busy; nothing changed; retry after `Retry-After`',
    error: 'temporarily_unavailable',
    words: 'Service Unavailable',
  },
} satisfies Record<number, Documented>;

/** Of bodies that the server does not read, before the route is asked: in the form of all other routes. */
const UNREAD: Readonly<Record<number, string>> = {
  413: 'The body is larger than 16 KiB',
  415: 'The body has a media type or an encoding that the server cannot read',
};

const HEADERS: Readonly<Record<number, string>> = {
  401: 'WWW-Authenticate',
  429: 'Retry-After',
  503: 'Retry-After',
};

/** Documents the error answers of a route, which are the same on all of these; `special` says which answer differs. */
export const ApiOAuthErrors = (special: Partial<Record<keyof typeof ERRORS, Documented>> = {}): MethodDecorator =>
  openapi.decorator(({ ApiExtraModels, ApiResponse, getSchemaPath }) =>
    applyDecorators(
      ApiExtraModels(OAuthErrorDto, ProblemDetails),
      ...Object.entries({ ...ERRORS, ...special }).map(([status, { description, error, words }]) => {
        const header = HEADERS[Number(status)];
        return ApiResponse({
          status: Number(status),
          description,
          ...(header !== undefined && { headers: { [header]: { schema: { type: 'string' } } } }),
          content: {
            'application/json': {
              schema: { $ref: getSchemaPath(OAuthErrorDto) },
              example: { error, error_description: words },
            },
          },
        });
      }),
      ...Object.entries(UNREAD).map(([status, description]) =>
        ApiResponse({
          status: Number(status),
          description,
          content: {
            'application/problem+json': {
              schema: { $ref: getSchemaPath(ProblemDetails) },
              example: new ProblemException(Number(status)).getResponse(),
            },
          },
        }),
      ),
    ),
  );
