export { AccessTokenGuard } from './access-token.guard';
export { authenticateSocket, type ConnectingSocket } from './authenticate-socket';
export { CurrentPrincipal, InPerson, Public, RequireAuth, Roles } from './decorators';
export { bearerOf, type Handshake, type HttpRequest } from './http-request';
export { ProblemDetailsFilter } from './problem-details.filter';
export {
  type FieldError,
  invalidRequest,
  type Problem,
  ProblemException,
  type ProblemRecovery,
} from './problem.exception';
