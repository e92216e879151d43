import { HttpCode, Post, Req, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { Public } from '../../guard/nest/decorators';
import type { HttpRequest } from '../../guard/nest/http-request';
import { ProblemException } from '../../guard/nest/problem.exception';
import { ReauthenticateCommand } from '../application/refresh/reauthenticate.command';
import { SessionCredentials } from '../application/sessions/session-credentials';
import type { TokenPair } from '../application/token-pair.issuer';
import type { BoundCookieProof, DpopProof } from '../domain/binding';
import type { Delivery } from '../domain/session';
import { AuthOptions } from '../options/auth.options';
import { BoundCookies } from './dbsc/bound-cookies';
import { ApiProblems } from './kit/api-problems';
import { AuthRoutes, JsonBody } from './kit/auth-routes';
import { clientOf } from './kit/client-of';
import { ApiDpop, dpopProofOf } from './kit/dpop';
import { NoStore } from './kit/no-store';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from './kit/openapi';
import { ReauthenticateDto } from './reauthenticate.dto';
import { ApiRetryKey, retryKeyOf } from './kit/retry-key';
import { ORIGIN_REFUSED, presentedIn, problemOf, REPLAY_REFUSED } from './refresh-request';
import { TokenDelivery } from './token-delivery';
import { TokenPairDto } from './token-pair.dto';

@ApiTags('auth')
@AuthRoutes('auth')
export class ReauthenticationController {
  constructor(
    private readonly commands: CommandBus,
    private readonly cookie: TokenDelivery,
    private readonly bound: BoundCookies,
    private readonly credentials: SessionCredentials,
    private readonly options: AuthOptions,
  ) {}

  @ApiOperation({
    summary: 'Prove the password again',
    description:
      'A refresh that also proves the password, for routes that answer `recovery: step_up`: the `auth_time` of the next pair is ' +
      'the present moment. The token is judged first, as by `POST /auth/refresh`. A wrong password refreshes nothing, and ' +
      'counts like a failed sign-in. If the answer is lost, send the request again with the same key.',
  })
  @ApiRetryKey()
  @ApiDpop()
  @ApiBody({
    type: ReauthenticateDto,
    examples: {
      refreshToken: {
        summary: 'The token in the body',
        value: { refreshToken: 'rt1_…, the newest of the session', password: 'correct horse battery staple' },
      },
      cookie: { summary: 'The token in the cookie', value: { password: 'correct horse battery staple' } },
    },
  })
  @ApiOkResponse({ type: TokenPairDto })
  @ApiProblems([400, 401, 403, 413, 415, 429, 503], {
    403: ORIGIN_REFUSED,
    401: {
      description:
        'The password is wrong (`invalid_credentials`; the session continues), or the token is no longer valid ' +
        '(`refresh_refused`: sign in again)',
      code: 'invalid_credentials',
    },
    429: REPLAY_REFUSED,
  })
  @Public()
  @NoStore()
  @HttpCode(200)
  @Post('reauthenticate')
  async reauthenticate(
    @JsonBody(ReauthenticateDto) body: ReauthenticateDto,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: unknown,
  ): Promise<TokenPairDto> {
    const { token, delivery } = presentedIn(request, body, this.cookie);
    const client = clientOf(request, body);
    const result = await this.commands.execute(
      new ReauthenticateCommand(
        token,
        body.password,
        client,
        retryKeyOf(request),
        delivery,
        this.proofIn(request, delivery),
      ),
    );
    if (result.ok) {
      await this.renewBoundCookie(request, response, result.value);
      return this.cookie.give(response, result.value, delivery);
    }
    const refusal = result.reason;
    if (refusal.kind !== 'invalid_credentials') throw problemOf(refusal, this.options);
    // Without `invalid_token`, also where a bearer token was sent: a client would refresh, and send the password again.
    throw new ProblemException(401, { code: refusal.kind, challenge: 'Bearer' });
  }

  /** Where the request has that of the session. */
  private async renewBoundCookie(request: HttpRequest, response: unknown, pair: TokenPair): Promise<void> {
    const cookie = this.bound.proofIn(request);
    const of = cookie === undefined ? null : await this.credentials.sessionOf({ accessToken: cookie.accessToken });
    if (of === pair.sessionId && this.bound.fits(pair)) this.bound.give(response, pair);
  }

  /** No script can ask the browser for a proof, so the cookie that it got for its last one stands for it. */
  private proofIn(request: HttpRequest, delivery: Delivery): DpopProof | BoundCookieProof | undefined {
    return dpopProofOf(request) ?? (delivery === 'cookie' ? this.bound.proofIn(request) : undefined);
  }
}
