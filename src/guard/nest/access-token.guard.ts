import { Injectable, Optional, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { HttpAdapterHost, Reflector } from '@nestjs/core';
import { traceIdOfRequest } from '../../support/trace-context';
import { AccessTokenAuthenticator } from '../access-token.authenticator';
import { AccessDenials } from '../ports/access-denials';
import { CurrentRoles } from '../ports/current-roles';
import type { Principal } from '../principal';
import { ACCESS, type Access, FRESHNESS, IN_PERSON } from './decorators';
import { demandFreshness, type Freshness } from './freshness';
import {
  carrierOf,
  challengeFor,
  credentialsOf,
  type Handshake,
  type HttpRequest,
  requestOfHandshake,
  routeOf,
  WITHOUT_HEADERS,
} from './http-request';
import { expectedProblem, ProblemException } from './problem.exception';

/** The role that administers: nobody has it for somebody else. */
const ADMINISTRATOR = 'admin';

/**
 * Accepts calls with a valid access token (RFC 6750), with its proof if it is bound to a key (RFC 9449), and keeps the principal for `@CurrentPrincipal()`, over HTTP at
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
    @Optional() private readonly denials?: AccessDenials,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.declared(ACCESS, context) as Access | undefined;
    const freshness = this.declared(FRESHNESS, context) as Freshness | undefined;
    if (access === 'public' && freshness === undefined) return true;
    try {
      const request = this.requestOf(context);
      const found = this.principalOf(request);
      const principal = found instanceof Promise ? await found : found;
      if (principal === null) throw new ProblemException(401, { challenge: challengeFor(request) });
      const roles = access === 'public' ? undefined : access;
      const inPerson = freshness !== undefined || roles?.includes(ADMINISTRATOR) === true;
      if (principal.actor !== null && (inPerson || this.declared(IN_PERSON, context) === true))
        return await this.deny('in_person_required', principal, roles ?? [], request, context);
      if (freshness !== undefined) demandFreshness(principal, freshness, this.authenticator.now());
      if (roles !== undefined) await this.demandRole(principal, roles, request, context);
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

  private principalOf(request: HttpRequest): ReturnType<AccessTokenAuthenticator['authenticate']> {
    const credentials = credentialsOf(request, this.authenticator.origins);
    return credentials === undefined ? null : this.authenticator.authenticate(credentials.token, credentials.proof);
  }

  /** Reads the user again: the roles in a token may be as old as the token, and these routes are not hot. */
  private async demandRole(
    principal: Principal,
    roles: readonly string[],
    request: HttpRequest,
    context: ExecutionContext,
  ): Promise<void> {
    const held = this.current === undefined ? principal.roles : await this.current.rolesOf(principal.userId);
    if (held === null) throw new ProblemException(401, { challenge: challengeFor(request) });
    if (!roles.some((role) => held.includes(role)))
      await this.deny('insufficient_scope', principal, roles, request, context);
  }

  private async deny(
    code: 'insufficient_scope' | 'in_person_required',
    principal: Principal,
    requiredRoles: readonly string[],
    request: HttpRequest,
    context: ExecutionContext,
  ): Promise<never> {
    const { ip, headers } = request;
    const userAgent = headers['user-agent'];
    const traceId = traceIdOfRequest(headers);
    await this.denials?.record({ principal, requiredRoles, route: routeOf(context), ip, userAgent, traceId });
    throw new ProblemException(403, { code, challenge: 'Bearer error="insufficient_scope"' });
  }

  /** What the nearest decorator of the kind has declared. */
  private declared(key: string, context: ExecutionContext): unknown {
    return this.reflector.getAllAndOverride<unknown>(key, [context.getHandler(), context.getClass()]);
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
