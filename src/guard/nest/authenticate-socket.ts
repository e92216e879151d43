import type { AccessTokenAuthenticator } from '../access-token.authenticator';
import type { Principal } from '../principal';
import { bearerOf, cookieCredentialsOf, type Handshake, requestOfHandshake } from './http-request';
import { expectedProblem, ProblemException, unavailable } from './problem.exception';

const JUDGED_EVERY_MS = 1000;

/** What this middleware uses of a socket of Socket.IO. */
export interface ConnectingSocket {
  readonly handshake: Handshake;
  /** The principal of its access token, where `@CurrentPrincipal()` finds it. */
  user?: Principal;
  /** Disconnects; with `close`, from all namespaces. */
  disconnect(close: boolean): unknown;
  /** Calls `listener` when the socket has disconnected. */
  once(event: 'disconnect', listener: () => void): unknown;
}

/**
 * A middleware for `server.use` of Socket.IO, or of one of its namespaces. A socket connects with a valid access token in
 * `handshake.auth.token` or in the `Authorization` header, or with the bound cookie from a page that may use it, and stays connected while that token is accepted: within a second
 * after the guard of this instance would refuse it, because its session has ended or because it has expired, the server
 * disconnects the socket. This costs no query.
 *
 * A refused client gets `connect_error`, whose `data` are the problem details (RFC 9457): 401, or 503 if this instance
 * cannot decide. A token that is bound to a key is refused: there is no request that a proof could be for. Connection state
 * recovery of Socket.IO must not skip this middleware (`skipMiddlewares: false`).
 */
export function authenticateSocket(authenticator: AccessTokenAuthenticator) {
  const tokens = new Map<ConnectingSocket, string>();
  let timer: NodeJS.Timeout | undefined;

  const forget = (socket: ConnectingSocket): void => {
    tokens.delete(socket);
    if (tokens.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
  const judge = async (socket: ConnectingSocket, token: string): Promise<void> => {
    if (await isAccepted(authenticator, token)) return;
    forget(socket);
    socket.disconnect(true);
  };
  const judgeAll = (): void => tokens.forEach((token, socket) => void judge(socket, token));

  return async (socket: ConnectingSocket, next: (refusal?: Error) => void): Promise<void> => {
    try {
      const handshake = requestOfHandshake(socket.handshake);
      const token = bearerOf(handshake) ?? cookieCredentialsOf(handshake, authenticator.origins)?.token;
      const principal = token === undefined ? null : await authenticator.authenticate(token);
      if (token === undefined || principal === null) throw new ProblemException(401);
      socket.user = principal;
      tokens.set(socket, token);
      socket.once('disconnect', () => forget(socket));
      timer ??= setInterval(judgeAll, JUDGED_EVERY_MS).unref();
    } catch (error) {
      const problem = expectedProblem(error) ?? unavailable(1);
      next(Object.assign(problem, { data: problem.getResponse() }));
      return;
    }
    next();
  };
}

/** An instance that cannot decide accepts nothing. */
async function isAccepted(authenticator: AccessTokenAuthenticator, token: string): Promise<boolean> {
  try {
    return (await authenticator.authenticate(token)) !== null;
  } catch {
    return false;
  }
}
