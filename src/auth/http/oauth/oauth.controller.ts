import {
  applyDecorators,
  Controller,
  createParamDecorator,
  type ExecutionContext,
  HttpCode,
  Post,
  Req,
  UseFilters,
  UseGuards,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { AccessTokenAuthenticator } from '../../../guard/access-token.authenticator';
import { Public } from '../../../guard/nest/decorators';
import type { HttpRequest } from '../../../guard/nest/http-request';
import { ProblemException } from '../../../guard/nest/problem.exception';
import { RefreshAccessTokenCommand } from '../../application/refresh/refresh-access-token.command';
import { ValidateRefreshTokenQuery } from '../../application/refresh/validate-refresh-token.query';
import { LogOutCommand } from '../../application/sessions/log-out.command';
import { hasRefreshTokenPrefix } from '../../domain/refresh-token';
import type { RefreshRefusal } from '../../domain/refusals';
import { AuthOptions } from '../../options/auth.options';
import { clientOf } from '../kit/client-of';
import { ApiDpop, dpopProofOf } from '../kit/dpop';
import { demandForm, type Form } from '../kit/form-body';
import { NoStore } from '../kit/no-store';
import { ApiBasicAuth, ApiBody, ApiConsumes, ApiOkResponse, ApiOperation, ApiTags } from '../kit/openapi';
import { RESOURCE_SERVER, ResourceServerGuard } from '../kit/resource-server-credentials';
import { ApiRetryKey, retryKeyOf } from '../kit/retry-key';
import { ApiOAuthErrors } from './api-oauth-errors';
import { oauthError, OAuthErrorFilter } from './oauth-error.filter';
import {
  IntrospectionDto,
  IntrospectionRequestDto,
  RevocationRequestDto,
  TokenRequestDto,
  TokenResponseDto,
} from './oauth.dto';

const FormBody = createParamDecorator((_: unknown, context: ExecutionContext): Form =>
  demandForm(context.switchToHttp().getRequest()),
);

/** An endpoint that takes a form, needs no access token, and whose answers are never stored. */
const Endpoint = (path: string): MethodDecorator =>
  applyDecorators(Public(), NoStore(), HttpCode(200), ApiConsumes('application/x-www-form-urlencoded'), Post(path));

const UNKNOWN_TOKEN = 'the refresh token is not valid, or not any more';

/** The refresh, the log-out and the guard's decision in OAuth's shapes: the same commands and queries, limits and records. */
@ApiTags('oauth')
@Controller({ path: 'oauth', version: VERSION_NEUTRAL })
@UseFilters(OAuthErrorFilter)
export class OAuthController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    private readonly authenticator: AccessTokenAuthenticator,
    private readonly options: AuthOptions,
  ) {}

  @ApiOperation({
    summary: 'Token endpoint',
    description:
      '`POST /auth/refresh` for clients of OAuth (RFC 6749 section 6). `refresh_token` is the only grant: sessions begin at ' +
      'the login. The rules of retries are the same.',
  })
  @ApiRetryKey()
  @ApiDpop()
  @ApiBody({ type: TokenRequestDto })
  @ApiOkResponse({ type: TokenResponseDto })
  @ApiOAuthErrors({
    400: {
      description:
        'The refresh token is refused (`invalid_grant`), the grant is not supported (`unsupported_grant_type`), the client is ' +
        'unknown (`invalid_client`), a scope is requested (`invalid_scope`), or the form breaks a rule (`invalid_request`)',
      error: 'invalid_grant',
      words: UNKNOWN_TOKEN,
    },
  })
  @Endpoint('token')
  async token(@FormBody() form: Form, @Req() request: HttpRequest): Promise<TokenResponseDto> {
    this.demandClient(form, request);
    if (demanded(form, 'grant_type') !== 'refresh_token')
      throw oauthError('unsupported_grant_type', 'grant_type', 'grant_type must be refresh_token');
    const refreshToken = demanded(form, 'refresh_token');
    // Without `scope` in the answer, a client would take the requested one as granted (RFC 6749 section 5.1).
    if (form.has('scope')) throw oauthError('invalid_scope', 'scope', 'scope must not be given: there are no scopes');
    const result = await this.commands.execute(
      new RefreshAccessTokenCommand(refreshToken, clientOf(request), retryKeyOf(request), 'body', dpopProofOf(request)),
    );
    if (!result.ok) throw this.errorOf(result.reason);
    const { accessToken, tokenType, expiresIn, refreshToken: successor } = result.value;
    return { access_token: accessToken, token_type: tokenType, expires_in: expiresIn, refresh_token: successor };
  }

  @ApiOperation({
    summary: 'Revocation endpoint',
    description:
      'Ends the session that the token belongs to (RFC 7009), as `POST /auth/logout` does. The answer does not reveal whether the token was known: it is 200, with an empty body.',
  })
  @ApiBody({ type: RevocationRequestDto })
  @ApiOkResponse({ description: 'The session has ended, if there was one' })
  @ApiOAuthErrors()
  @Endpoint('revoke')
  async revoke(@FormBody() form: Form, @Req() request: HttpRequest): Promise<void> {
    this.demandClient(form, request);
    const token = demanded(form, 'token');
    await this.commands.execute(
      new LogOutCommand(
        hasRefreshTokenPrefix(token) ? { refreshToken: token } : { accessToken: token },
        clientOf(request),
      ),
    );
  }

  @ApiOperation({
    summary: 'Introspection endpoint',
    description:
      'Whether a token is accepted at this moment (RFC 7662), for the services of `RESOURCE_SERVERS`. An access token is ' +
      "judged by the guard's view, without a query; a refresh token as a refresh would, without any effect.",
  })
  @ApiBasicAuth(RESOURCE_SERVER)
  @ApiBody({ type: IntrospectionRequestDto })
  @ApiOkResponse({ type: IntrospectionDto })
  @ApiOAuthErrors()
  @UseGuards(ResourceServerGuard)
  @Endpoint('introspect')
  async introspect(@FormBody() form: Form): Promise<IntrospectionDto> {
    const token = demanded(form, 'token');
    const members = hasRefreshTokenPrefix(token) ? this.ofRefreshToken(token) : this.ofAccessToken(token);
    return (await members) ?? { active: false };
  }

  private async ofAccessToken(token: string): Promise<IntrospectionDto | null> {
    const principal = await this.authenticator.inspect(token);
    if (principal === null) return null;
    const { userId, sessionId, expiresAt, roles, authTime, amr, acr, actor, jkt, claims } = principal;
    return {
      ...claims,
      active: true,
      token_type: jkt === null ? 'Bearer' : 'DPoP',
      client_id: this.options.oauthClientId,
      iss: this.options.accessTokenIssuer,
      aud: this.options.accessTokenAudience,
      sub: userId,
      sid: sessionId,
      exp: expiresAt,
      roles,
      ...(authTime === null ? {} : { auth_time: authTime }),
      ...(amr.length === 0 ? {} : { amr }),
      ...(acr === null ? {} : { acr }),
      ...(actor === null ? {} : { act: { sub: actor.userId } }),
      ...(jkt === null ? {} : { cnf: { jkt } }),
    };
  }

  private async ofRefreshToken(token: string): Promise<IntrospectionDto | null> {
    const result = await this.queries.execute(new ValidateRefreshTokenQuery(token));
    if (!result.ok) return null;
    const { userId, sessionId, expiresAt, binding } = result.value;
    return {
      active: true,
      client_id: this.options.oauthClientId,
      iss: this.options.accessTokenIssuer,
      sub: userId,
      sid: sessionId,
      exp: Math.floor(expiresAt.getTime() / 1000),
      ...(binding?.kind === 'dpop' ? { cnf: { jkt: binding.jkt } } : {}),
    };
  }

  /** The one public client, by its id alone (RFC 6749 section 3.2.1). A client with a secret is another one. */
  private demandClient(form: Form, { headers }: HttpRequest): void {
    const path = 'client_id';
    if (/^Basic\b/i.test(headers.authorization ?? ''))
      throw oauthError('invalid_client', path, 'a public client must send client_id and no credentials', {
        challenge: 'Basic realm="ratchet"',
      });
    if (form.has('client_secret'))
      throw oauthError('invalid_client', path, 'a public client must send client_id and no client_secret');
    if (demanded(form, path) !== this.options.oauthClientId)
      throw oauthError('invalid_client', path, 'client_id must be that of a known client');
  }

  private errorOf(refusal: RefreshRefusal): ProblemException {
    if (refusal.kind === 'refused')
      return oauthError(
        'invalid_grant',
        'refresh_token',
        this.options.exposeRefusalReason ? refusal.reason : UNKNOWN_TOKEN,
      );
    const { reason, retryAfterSeconds } = refusal;
    const message =
      reason === 'replay_refused'
        ? 'another request has just refreshed: read the stored tokens again'
        : 'the same refresh token was sent too often: slow down';
    return new ProblemException(429, { code: reason, retryAfterSeconds, errors: [{ path: 'refresh_token', message }] });
  }
}

/** @throws ProblemException 400 `invalid_request` */
function demanded(form: Form, name: string): string {
  const value = form.get(name);
  if (value === undefined) throw oauthError('invalid_request', name, `${name} must be given`);
  return value;
}
