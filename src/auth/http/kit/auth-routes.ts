import { applyDecorators, Controller, createParamDecorator, UseFilters, VERSION_NEUTRAL } from '@nestjs/common';
import type { ExecutionContext, Type } from '@nestjs/common';
import type { HttpRequest } from '../../../guard/nest/http-request';
import { ProblemDetailsFilter } from '../../../guard/nest/problem-details.filter';
import { demandJson } from './json-body';
import { bodyPipe, validationPipe } from './validation.pipe';

/**
 * A controller of auth's own. It keeps its contract whatever filters, pipes and default version a host has. Use
 * {@link JsonBody} and {@link ValidQuery} instead of Nest's decorators, to which a host's global pipes would apply.
 */
export const AuthRoutes = (path: string): ClassDecorator =>
  applyDecorators(Controller({ path, version: VERSION_NEUTRAL }), UseFilters(ProblemDetailsFilter));

const bodyOf = createParamDecorator((_: unknown, context: ExecutionContext): unknown =>
  demandJson(context.switchToHttp().getRequest()),
);
const queryOf = createParamDecorator(
  (_: unknown, context: ExecutionContext): unknown =>
    context.switchToHttp().getRequest<HttpRequest & { query: unknown }>().query,
);

/** The body as a valid `dto`, whichever parser has read it. */
export const JsonBody = (dto: Type<object>): ParameterDecorator => bodyOf(bodyPipe(dto));

/** The query as a valid `dto`. */
export const ValidQuery = (dto: Type<object>): ParameterDecorator =>
  queryOf(validationPipe({ expectedType: dto, validateCustomDecorators: true }));
