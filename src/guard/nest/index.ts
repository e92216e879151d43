export { AccessTokenGuard } from './access-token.guard';
export { CurrentPrincipal, Public, Roles } from './decorators';
export { bearerOf, type HttpRequest } from './http-request';
export { ProblemDetailsFilter } from './problem-details.filter';
export { type FieldError, invalidRequest, type Problem, ProblemException } from './problem.exception';
