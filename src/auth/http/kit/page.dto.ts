import { applyDecorators } from '@nestjs/common';
import { pageProblem } from '../../domain/input-rules';
import { ApiQuery } from './openapi';

/** Documents the parameters of a paged list, whose pages have `max` items unless fewer are asked for. */
export const ApiPage = (max: number): MethodDecorator =>
  applyDecorators(
    ApiQuery({
      name: 'limit',
      required: false,
      description: 'The maximum number of items on a page',
      schema: { type: 'integer', minimum: 1, maximum: max, default: max },
    }),
    ApiQuery({
      name: 'cursor',
      required: false,
      description: 'The `nextCursor` of the previous page',
      schema: { type: 'string' },
    }),
  );

/** The answer to a bad parameter of a paged list, for its documentation. */
export const badPage = (max: number) => ({
  description: 'A parameter is malformed or unknown',
  code: 'invalid_request',
  errors: [{ path: 'limit', message: `limit ${pageProblem(0, max)}` }],
});
