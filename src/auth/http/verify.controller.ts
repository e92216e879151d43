import { Get, HttpCode, Req, Res } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { CurrentPrincipal } from '../../guard/nest/decorators';
import { AccessTokenAuthenticator } from '../../guard/access-token.authenticator';
import { cookieCredentialsOf, headerCredentialsOf, type HttpRequest, isSafe } from '../../guard/nest/http-request';
import { ProblemException } from '../../guard/nest/problem.exception';
import { AccessDenials } from '../../guard/ports/access-denials';
import type { Principal } from '../../guard/principal';
import { traceIdOfRequest } from '../../support/trace-context';
import { ApiProblems } from './kit/api-problems';
import { AuthRoutes, ValidQuery } from './kit/auth-routes';
import { NoStore } from './kit/no-store';
import { ApiBearerAuth, ApiNoContentResponse, ApiOperation, ApiQuery, ApiTags } from './kit/openapi';
import { VerifyDto } from './verify.dto';

/** Visible ASCII without the comma, which separates roles, and the percent sign, which begins an encoded byte. */
const NOT_PLAIN = /[^\x21-\x24\x26-\x2B\x2D-\x7E]+/g;

/** As a header holds it: user ids and roles may be any text. */
const inHeader = (text: string): string => text.toWellFormed().replace(NOT_PLAIN, encodeURIComponent);

const header = (description: string) => ({ description, schema: { type: 'string' as const } });

@ApiTags('services')
@ApiBearerAuth()
@AuthRoutes('auth/verify')
export class VerifyController {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly denials: AccessDenials,
    private readonly authenticator: AccessTokenAuthenticator,
  ) {}

  @ApiOperation({
    summary: 'Verify an access token for a proxy',
    description:
      "For nginx's `auth_request`, Traefik's ForwardAuth and Envoy's `ext_authz`: the answer is that of the guard, without a " +
      'query. The headers are percent-encoded outside of visible ASCII, and the roles are those in the token.',
  })
  @ApiQuery({
    name: 'role',
    required: false,
    description: 'A role that the token must have',
    schema: { type: 'string', minLength: 1, maxLength: 64 },
  })
  @ApiNoContentResponse({
    description: 'The token is accepted',
    headers: {
      'X-Auth-User': header("The user's id"),
      'X-Auth-Session': header('The session id'),
      'X-Auth-Roles': header('The roles, separated by commas'),
    },
  })
  @ApiProblems([400, 401, 403, 503], {
    400: {
      description: 'A parameter is malformed or unknown',
      code: 'invalid_request',
      errors: [{ path: 'role', message: 'role must be a string of 1 to 64 characters' }],
    },
    403: {
      description: 'The token does not have the role',
      code: 'insufficient_scope',
      challenge: 'Bearer error="insufficient_scope"',
    },
  })
  @NoStore()
  @HttpCode(204)
  @Get()
  async verifyAccessToken(
    @ValidQuery(VerifyDto) { role }: VerifyDto,
    @CurrentPrincipal() principal: Principal,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: unknown,
  ): Promise<void> {
    this.demandOrigin(request);
    const { userId, sessionId, roles } = principal;
    if (role !== undefined && !roles.includes(role)) {
      const { ip, headers } = request;
      const route = 'GET /auth/verify';
      const traceId = traceIdOfRequest(headers);
      await this.denials.record({
        principal,
        requiredRoles: [role],
        route,
        ip,
        userAgent: headers['user-agent'],
        traceId,
      });
      throw new ProblemException(403, { code: 'insufficient_scope', challenge: 'Bearer error="insufficient_scope"' });
    }
    const { httpAdapter } = this.adapterHost;
    httpAdapter.setHeader(response, 'X-Auth-User', inHeader(userId));
    httpAdapter.setHeader(response, 'X-Auth-Session', sessionId);
    httpAdapter.setHeader(response, 'X-Auth-Roles', roles.map(inHeader).join(','));
  }

  /** nginx asks by GET for a POST: unless the proxy says the method, and it is safe, a bound cookie needs a page that may use it. */
  private demandOrigin(request: HttpRequest): void {
    const { origins } = this.authenticator;
    if (headerCredentialsOf(request, origins.own) !== undefined) return;
    const { 'x-original-method': original, 'x-forwarded-method': forwarded } = request.headers;
    const said = [original, forwarded].filter((method) => method !== undefined).map(String);
    const { headers } = request;
    const [method] = said.filter((one) => !isSafe({ method: one, headers })).concat(said);
    cookieCredentialsOf({ headers, ...(method !== undefined && { method }) }, origins);
  }
}
