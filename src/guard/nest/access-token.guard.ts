import { Injectable, Optional, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { HttpAdapterHost, Reflector } from '@nestjs/core';
import { AccessTokenAuthenticator } from '../access-token.authenticator';
import { CurrentRoles } from '../ports/current-roles';
import type { Principal } from '../principal';
import { ACCESS, type Access } from './decorators';
import { bearerOf, carrierOf, challengeFor, type HttpRequest } from './http-request';
import { expectedProblem, ProblemException } from './problem.exception';

const WITHOUT_HEADERS: HttpRequest = { headers: {} };

/** How a Socket.IO client connects; browsers can send no header with it. */
interface Handshake extends Pick<HttpRequest, 'headers'> {
  readonly auth?: { readonly token?: unknown };
}

function requestOfHandshake(handshake: Handshake | undefined): HttpRequest {
  const { headers, auth }: Handshake = handshake ?? WITHOUT_HEADERS;
  return bearerOf({ headers }) === undefined && typeof auth?.token === 'string'
    ? { headers: { authorization: `Bearer ${auth.token}` } }
    : { headers };
}

/**
 * Accepts calls with a valid access token (RFC 6750), and keeps the principal for `@CurrentPrincipal()`, over HTTP at
 * `request.user`. It is meant for `APP_GUARD`: every route requires a token unless it is marked `@Public()`.
 *
 * A refusal is a `ProblemException`: 401 and 403 with their challenge, 503 when this instance cannot decide. Its headers
 * are on the response already, whichever filter answers.
 */
@Injectable()
export class AccessTokenGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly authenticator: AccessTokenAuthenticator,
    private readonly adapterHost: HttpAdapterHost,
    @Optional() private readonly current?: CurrentRoles,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.reflector.getAllAndOverride<Access | undefined>(ACCESS, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (access === 'public') return true;
    try {
      const request = this.requestOf(context);
      const principal = this.principalOf(request);
      if (access !== undefined) await this.demandRole(principal, access, request);
      carrierOf(context).user = principal;
      return true;
    } catch (error) {
      throw this.refusalOf(error, context);
    }
  }

  /**
   * Returns the request that has the `Authorization` header: the HTTP request, `context.req` of GraphQL, the handshake of
   * Socket.IO, whose `auth.token` counts as well. Other contexts, such as RPC, have no headers and are refused. Override it if
   * your calls carry the header elsewhere; the guard reads nothing else of a request.
   */
  protected requestOf(context: ExecutionContext): HttpRequest {
    switch (context.getType<string>()) {
      case 'http':
        return context.switchToHttp().getRequest();
      case 'graphql':
        return context.getArgByIndex<{ req?: HttpRequest } | undefined>(2)?.req ?? WITHOUT_HEADERS;
      case 'ws':
        return requestOfHandshake(context.switchToWs().getClient<{ handshake?: Handshake }>().handshake);
      default:
        return WITHOUT_HEADERS;
    }
  }

  private principalOf(request: HttpRequest): Principal {
    const token = bearerOf(request);
    const principal = token === undefined ? null : this.authenticator.authenticate(token);
    if (principal === null) throw new ProblemException(401, { challenge: challengeFor(request) });
    return principal;
  }

  /** Reads the user again: the roles in a token may be as old as the token, and these routes are not hot. */
  private async demandRole(principal: Principal, roles: readonly string[], request: HttpRequest): Promise<void> {
    const held = this.current === undefined ? principal.roles : await this.current.rolesOf(principal.userId);
    if (held === null) throw new ProblemException(401, { challenge: challengeFor(request) });
    if (!roles.some((role) => held.includes(role)))
      throw new ProblemException(403, { code: 'insufficient_scope', challenge: 'Bearer error="insufficient_scope"' });
  }

  private refusalOf(error: unknown, context: ExecutionContext): unknown {
    const problem = expectedProblem(error);
    if (problem === null) return error;
    if (context.getType() === 'http') {
      const response: unknown = context.switchToHttp().getResponse();
      const { 'Content-Type': _, ...headers } = problem.headers();
      for (const [name, value] of Object.entries(headers))
        this.adapterHost.httpAdapter.setHeader(response, name, value);
    }
    return problem;
  }
}
