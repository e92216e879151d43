import { Get, HttpCode, Post, Req, Res, UnauthorizedException } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { CurrentPrincipal, InPerson, Public } from '../../guard/nest/decorators';
import { headerCredentialsOf, type HttpRequest } from '../../guard/nest/http-request';
import { invalidRequest, ProblemException } from '../../guard/nest/problem.exception';
import type { Principal } from '../../guard/principal';
import { Throttled } from '../../support/throttled';
import { RefreshAccessTokenCommand } from '../application/refresh/refresh-access-token.command';
import { LogOutEverywhereCommand } from '../application/sessions/log-out-everywhere.command';
import { LogOutCommand, type LogOutToken } from '../application/sessions/log-out.command';
import { SessionCredentials } from '../application/sessions/session-credentials';
import { ChangePasswordCommand } from '../application/sign-in/change-password.command';
import { LogInCommand } from '../application/sign-in/log-in.command';
import { FindActiveUserQuery } from '../application/users/find-active-user.query';
import { AuthOptions } from '../options/auth.options';
import { ApiProblems, IN_PERSON_REQUIRED } from './kit/api-problems';
import { AuthRoutes, JsonBody } from './kit/auth-routes';
import { clientOf } from './kit/client-of';
import { ApiDpop, dpopProofOf } from './kit/dpop';
import { NoStore } from './kit/no-store';
import { ApiBearerAuth, ApiBody, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from './kit/openapi';
import { PROOF_TOO_OLD, RecentProof } from './kit/recent-proof';
import { ApiRetryKey, retryKeyOf } from './kit/retry-key';
import { BoundCookies } from './dbsc/bound-cookies';
import { RegistrationInvitation } from './dbsc/registration-invitation';
import { LoginDto } from './login.dto';
import { LogoutDto } from './logout.dto';
import { MeDto } from './me.dto';
import { ChangePasswordDto } from './password.dto';
import { TokenDelivery } from './token-delivery';
import { ORIGIN_REFUSED, presentedIn, problemOf, REPLAY_REFUSED } from './refresh-request';
import { RefreshDto } from './refresh.dto';
import { RevokedSessionsDto } from './session.dto';
import { TokenPairDto } from './token-pair.dto';

@ApiTags('auth')
@AuthRoutes('auth')
export class AuthController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    private readonly cookie: TokenDelivery,
    private readonly bound: BoundCookies,
    private readonly invitation: RegistrationInvitation,
    private readonly credentials: SessionCredentials,
    private readonly options: AuthOptions,
  ) {}

  @ApiOperation({
    summary: 'Sign in',
    description: 'Opens a session. Every failure looks the same and takes the same time.',
  })
  @ApiDpop()
  @ApiBody({ type: LoginDto })
  @ApiOkResponse({ type: TokenPairDto })
  @ApiProblems([400, 401, 403, 413, 415, 429, 503], {
    403: ORIGIN_REFUSED,
    401: { description: 'No such account, wrong password or inactive user', code: 'invalid_credentials' },
  })
  @Public()
  @NoStore()
  @HttpCode(200)
  @Post('login')
  async login(
    @JsonBody(LoginDto) body: LoginDto,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: unknown,
  ): Promise<TokenPairDto> {
    const { email, password, delivery = 'body' } = body;
    if (delivery === 'cookie') this.cookie.demandOrigin(request);
    const client = clientOf(request, body);
    const proof = dpopProofOf(request);
    const command = new LogInCommand(email, password, client, delivery, proof);
    const result = await this.commands.execute(command);
    if (!result.ok) throw new ProblemException(401, { code: result.reason });
    // Left where it is, the cookie of an earlier login would be a second credential that no script can delete.
    const earlier = this.cookie.read(request);
    if (delivery === 'body' && earlier !== undefined && (await this.isAnyGenuine([{ refreshToken: earlier }])))
      this.cookie.clear(request, response);
    // Whatever the setting is now: that of an earlier session would speak for its user.
    this.bound.clear(request, response);
    if (delivery === 'cookie' && proof === undefined) this.invitation.give(request, response, result.value);
    return this.cookie.give(response, result.value, delivery);
  }

  @ApiOperation({
    summary: 'Refresh',
    description:
      'Exchanges the newest refresh token for its successor. The predecessor gets the same successor again for a few ' +
      'seconds or, with the `Idempotency-Key` of the first request, until the successor is used. An older token, or the ' +
      'predecessor outside these rules, ends the session.',
  })
  @ApiRetryKey()
  @ApiDpop()
  @ApiBody({
    type: RefreshDto,
    examples: {
      refreshToken: { summary: 'The token alone', value: { refreshToken: 'rt1_…, as the login returned it' } },
    },
  })
  @ApiOkResponse({ type: TokenPairDto })
  @ApiProblems([400, 401, 403, 413, 415, 429, 503], {
    403: ORIGIN_REFUSED,
    401: { description: 'The token is invalid, or no longer valid: sign in again', code: 'refresh_refused' },
    429: REPLAY_REFUSED,
  })
  @Public()
  @NoStore()
  @HttpCode(200)
  @Post('refresh')
  async refresh(
    @JsonBody(RefreshDto) body: RefreshDto,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: unknown,
  ): Promise<TokenPairDto> {
    const { token, delivery } = presentedIn(request, body, this.cookie);
    const client = clientOf(request, body);
    const result = await this.commands.execute(
      new RefreshAccessTokenCommand(token, client, retryKeyOf(request), delivery, dpopProofOf(request)),
    );
    if (!result.ok) throw problemOf(result.reason, this.options);
    return this.cookie.give(response, result.value, delivery);
  }

  @ApiOperation({
    summary: 'Log out',
    description:
      'Ends the session of every credential that the request holds: the refresh token in the body, the one in the cookie, ' +
      'the bearer access token. The answer does not reveal whether they were known (RFC 7009 section 2.2).',
  })
  @ApiBearerAuth()
  @ApiBody({
    type: LogoutDto,
    required: false,
    examples: {
      accessToken: { summary: 'The session of the bearer access token', value: {} },
      refreshToken: { summary: 'The session of a refresh token', value: { refreshToken: 'rt1_…' } },
    },
  })
  @ApiNoContentResponse({ description: 'The session has ended, if there was one' })
  @ApiProblems([400, 403, 413, 415, 429, 503], {
    403: ORIGIN_REFUSED,
    429: {
      description: 'Too many log-outs that ended nothing; one that ends a session is never refused',
      code: 'throttled',
    },
    400: {
      description: 'Neither a refresh token, nor a cookie, nor a bearer access token',
      code: 'invalid_request',
      errors: [{ path: 'refreshToken', message: 'refreshToken or a bearer access token must be given' }],
    },
  })
  @Public()
  @NoStore()
  @HttpCode(204)
  @Post('logout')
  async logout(
    @JsonBody(LogoutDto) body: LogoutDto,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: unknown,
  ): Promise<void> {
    // Of either scheme, and without a proof: a client that has lost its key can still end its session.
    const accessToken = headerCredentialsOf(request, [])?.token;
    const explicit: LogOutToken[] = [
      ...(body.refreshToken === undefined ? [] : [{ refreshToken: body.refreshToken }]),
      ...(accessToken === undefined ? [] : [{ accessToken }]),
    ];
    const cookie = this.cookie.read(request);
    if (cookie === undefined && explicit.length === 0) {
      throw invalidRequest({ path: 'refreshToken', message: 'refreshToken or a bearer access token must be given' });
    }
    // What only the cookie can do, a page of another origin must not ask for; what it holds itself, it may. A credential that
    // is none, beside a cookie, would otherwise be answered 204 although nothing has ended.
    if (cookie !== undefined && !(await this.isAnyGenuine(explicit))) this.cookie.demandOrigin(request);
    const counts = cookie !== undefined && this.cookie.isOfOwnOrigin(request);
    await this.logOutAll(counts ? [...explicit, { refreshToken: cookie }] : explicit, request);
    if (counts) this.cookie.clear(request, response);
  }

  @ApiOperation({
    summary: 'Log out everywhere',
    description: "Ends all of the user's sessions. Their access tokens are refused at once.",
  })
  @ApiBearerAuth()
  @ApiOkResponse({ type: RevokedSessionsDto })
  @ApiProblems([401, 403, 429, 503], { 401: PROOF_TOO_OLD, 403: IN_PERSON_REQUIRED })
  @RecentProof('sessionReauthentication')
  @NoStore()
  @HttpCode(200)
  @Post('logout-all')
  async logoutAll(
    @CurrentPrincipal() { userId }: Principal,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: unknown,
  ): Promise<RevokedSessionsDto> {
    const revokedSessions = await this.commands.execute(new LogOutEverywhereCommand(userId, clientOf(request)));
    this.cookie.clear(request, response);
    return { revokedSessions };
  }

  @ApiOperation({
    summary: 'Change the password',
    description: 'Ends every session, including the current one, and returns a new session.',
  })
  @ApiBearerAuth()
  @ApiBody({ type: ChangePasswordDto })
  @ApiOkResponse({ type: TokenPairDto })
  @ApiProblems([400, 401, 403, 413, 415, 429, 503], {
    403: IN_PERSON_REQUIRED,
    400: {
      description: 'The request breaks a rule; `errors` lists the broken rules',
      code: 'invalid_request',
      errors: [{ path: 'newPassword', message: 'newPassword is one of the most common passwords' }],
    },
    401: { description: 'The current password is wrong', code: 'invalid_credentials' },
  })
  @NoStore()
  @HttpCode(200)
  @Post('password')
  async changePassword(
    @JsonBody(ChangePasswordDto) { currentPassword, newPassword }: ChangePasswordDto,
    @CurrentPrincipal() { userId, sessionId }: Principal,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: unknown,
  ): Promise<TokenPairDto> {
    const result = await this.commands.execute(
      new ChangePasswordCommand(userId, sessionId, currentPassword, newPassword, clientOf(request)),
    );
    if (result.ok) {
      this.bound.clear(request, response);
      return this.cookie.give(response, result.value.pair, result.value.delivery);
    }
    const refusal = result.reason;
    if (refusal.kind === 'invalid') throw invalidRequest({ path: refusal.path, message: refusal.message });
    // The bearer token is in order: to call it invalid would make a client refresh, and send the password again.
    throw new ProblemException(401, { code: refusal.kind, challenge: 'Bearer' });
  }

  @ApiOperation({ summary: 'Show the user of the access token' })
  @ApiBearerAuth()
  @ApiOkResponse({ type: MeDto })
  @ApiProblems([401, 503])
  @InPerson(false)
  @NoStore()
  @Get('me')
  async me(@CurrentPrincipal() principal: Principal): Promise<MeDto> {
    const user = await this.queries.execute(new FindActiveUserQuery(principal.userId));
    if (user === null) throw new UnauthorizedException();
    return { id: user.id, email: user.email, roles: user.roles, sessionId: principal.sessionId };
  }

  /** Each is judged by itself: one that is invalid hides none that is valid, and of a session one is enough. */
  private async logOutAll(tokens: readonly LogOutToken[], request: HttpRequest): Promise<void> {
    const distinct = new Map<unknown, LogOutToken>();
    for (const token of tokens) distinct.set((await this.credentials.sessionOf(token)) ?? token, token);
    let ended = 0;
    let throttled: Throttled | null = null;
    for (const token of distinct.values()) {
      try {
        ended += await this.commands.execute(new LogOutCommand(token, clientOf(request)));
      } catch (error) {
        if (!(error instanceof Throttled)) throw error;
        throttled = error;
      }
    }
    if (throttled !== null && ended === 0) throw throttled;
  }

  private async isAnyGenuine(tokens: readonly LogOutToken[]): Promise<boolean> {
    for (const token of tokens) if ((await this.credentials.sessionOf(token)) !== null) return true;
    return false;
  }
}
