import { applyDecorators, Controller, createParamDecorator, UseFilters, VERSION_NEUTRAL } from '@nestjs/common';
import type { ExecutionContext, Type } from '@nestjs/common';
import type { HttpRequest } from '../../../guard/nest/http-request';
import { InPerson } from '../../../guard/nest/decorators';
import { ProblemDetailsFilter } from '../../../guard/nest/problem-details.filter';
import { demandJson } from './json-body';
import { rules } from './rules';
import { bodyPipe, validationPipe } from './validation.pipe';

/**
 * A controller of auth's own. It keeps its contract whatever filters, pipes and default version a host has, and nobody acts
 * for a user on its routes, unless one of them is marked otherwise. Use
 * {@link JsonBody} and {@link ValidQuery} instead of Nest's decorators, to which a host's global pipes would apply.
 */
export const AuthRoutes = (path: string): ClassDecorator =>
  applyDecorators(Controller({ path, version: VERSION_NEUTRAL }), UseFilters(ProblemDetailsFilter), InPerson());

/** Before any pipe: one of the host's that looks at the parameters of custom decorators, too, has to know their rules. */
const ruled = (valueOf: (request: HttpRequest & { readonly query: unknown }) => unknown) =>
  createParamDecorator((_: unknown, context: ExecutionContext): unknown => {
    rules.apply();
    return valueOf(context.switchToHttp().getRequest());
  });

const bodyOf = ruled(demandJson);
const queryOf = ruled(({ query }) => query);

/** The body as a valid `dto`, whichever parser has read it. */
export const JsonBody = (dto: Type<object>): ParameterDecorator => bodyOf(bodyPipe(dto));

/** The query as a valid `dto`. */
export const ValidQuery = (dto: Type<object>): ParameterDecorator =>
  queryOf(validationPipe({ expectedType: dto, validateCustomDecorators: true }));
