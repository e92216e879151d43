import { HttpCode, Post, Req, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { HttpAdapterHost } from '@nestjs/core';
import { Public } from '../../../guard/nest/decorators';
import type { HttpRequest } from '../../../guard/nest/http-request';
import { invalidRequest, ProblemException } from '../../../guard/nest/problem.exception';
import { Overloaded } from '../../../support/overloaded';
import { Throttled } from '../../../support/throttled';
import { DbscProofs } from '../../application/dbsc-proofs';
import { RefreshAccessTokenCommand } from '../../application/refresh/refresh-access-token.command';
import { RegisterDeviceKeyCommand } from '../../application/refresh/register-device-key.command';
import { ValidateRefreshTokenQuery } from '../../application/refresh/validate-refresh-token.query';
import { SessionCredentials } from '../../application/sessions/session-credentials';
import type { TokenPair } from '../../application/token-pair.issuer';
import type { RefreshRefusal } from '../../domain/refusals';
import type { Result } from '../../domain/result';
import { AuthOptions } from '../../options/auth.options';
import { ApiProblems } from '../kit/api-problems';
import { AuthRoutes } from '../kit/auth-routes';
import { clientOf } from '../kit/client-of';
import { NoStore } from '../kit/no-store';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '../kit/openapi';
import { ORIGIN_REFUSED, presentedIn, problemOf } from '../refresh-request';
import { TokenDelivery } from '../token-delivery';
import { BoundCookies } from './bound-cookies';
import { SessionInstructionsDto } from './session-instructions.dto';
import {
  CHALLENGE,
  challengeOf,
  DISCONTINUED,
  instructionsFor,
  proofIn,
  RESPONSE,
  SESSION_ID,
  sessionIdIn,
} from './session-headers';

/**
 * What a browser asks for by itself, without a script. It deletes its key for 401 and 429, and keeps it for 503: whatever is
 * temporary is 503 here, limits included.
 */
@ApiTags('auth')
@AuthRoutes('auth/dbsc')
export class DbscController {
  private readonly host: string;

  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
    private readonly delivery: TokenDelivery,
    private readonly cookies: BoundCookies,
    private readonly proofs: DbscProofs,
    private readonly credentials: SessionCredentials,
    private readonly adapterHost: HttpAdapterHost,
    private readonly options: AuthOptions,
  ) {
    this.host = options.publicOrigin === null ? 'localhost' : new URL(options.publicOrigin).hostname;
  }

  @ApiOperation({
    summary: 'Bind a session to the device (experimental)',
    description:
      'Sent by the browser after a sign-in by cookie, where Device Bound Session Credentials (DBSC, a draft of the W3C) are on. ' +
      'The same key gets the same answer again; a second key ends the session, since two devices hold its login.',
  })
  @ApiHeader({ name: RESPONSE, required: true, schema: { type: 'string' }, description: 'The signed registration' })
  @ApiOkResponse({ type: SessionInstructionsDto })
  @ApiProblems([400, 401, 403, 503], {
    400: {
      description: 'The header or the cookie is missing',
      code: 'invalid_request',
      errors: [{ path: RESPONSE, message: `${RESPONSE} must be given` }],
    },
    401: { description: 'The session is not bound by this request', code: 'refresh_refused' },
    403: ORIGIN_REFUSED,
  })
  @Public()
  @NoStore()
  @HttpCode(200)
  @Post('register')
  async registerDeviceKey(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: unknown,
  ): Promise<SessionInstructionsDto> {
    const { token } = presentedIn(request, {}, this.delivery);
    const registration = proofIn(request);
    if (registration === undefined) throw invalidRequest({ path: RESPONSE, message: `${RESPONSE} must be given` });
    const command = new RegisterDeviceKeyCommand(token, registration, clientOf(request));
    const { id, ...renewed } = await this.unlessRefused(this.commands.execute(command));
    return this.instruct(request, response, id, renewed);
  }

  @ApiOperation({
    summary: 'Renew the bound cookie (experimental)',
    description:
      'A refresh that the browser makes by itself. Without a proof, or with one for an old challenge, it is answered 403 with ' +
      'the next challenge. `{"continue": false}`: the browser forgets its key, and the login continues without it.',
  })
  @ApiHeader({
    name: SESSION_ID,
    required: true,
    schema: { type: 'string' },
    description: 'The session of the instructions',
  })
  @ApiHeader({ name: RESPONSE, required: false, schema: { type: 'string' }, description: 'The signed challenge' })
  @ApiOkResponse({ type: SessionInstructionsDto })
  @ApiProblems([400, 401, 403, 503], {
    400: {
      description: 'The header is missing or malformed',
      code: 'invalid_request',
      errors: [{ path: SESSION_ID, message: `${SESSION_ID} must be the id of a session` }],
    },
    401: { description: 'The session is over: sign in again', code: 'refresh_refused' },
    403: {
      description:
        'Sign the challenge of the header `Secure-Session-Challenge`, or a page of another origin sent the cookie',
      code: 'session_challenge',
    },
  })
  @Public()
  @NoStore()
  @HttpCode(200)
  @Post('refresh')
  async renewBoundCookie(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: unknown,
  ): Promise<SessionInstructionsDto> {
    const id = sessionIdIn(request);
    if (id === undefined)
      throw invalidRequest({ path: SESSION_ID, message: `${SESSION_ID} must be the id of a session` });
    this.delivery.demandOrigin(request);
    const token = this.delivery.read(request);
    if (token === undefined) return this.discontinue(request, response);

    const proof = proofIn(request);
    const isGenuine = (await this.credentials.sessionOf({ refreshToken: token })) !== null;
    if (isGenuine && (proof === undefined || !this.proofs.answersChallenge(proof, id))) {
      this.challenge(response, id);
      throw new ProblemException(403, { code: 'session_challenge' });
    }
    const valid = await this.queries.execute(new ValidateRefreshTokenQuery(token, undefined, 'cookie'));
    // A failover has lost the binding, or the user has signed in anew: the login does not depend on this key.
    if (valid.ok && !(valid.value.binding?.kind === 'dbsc' && valid.value.binding.id === id)) {
      // The cookies of another binding belong to a newer login, and so does its evidence.
      if (valid.value.binding?.kind === 'dbsc') return DISCONTINUED;
      if (proof !== undefined) await this.countUnknown(new RegisterDeviceKeyCommand(token, proof, clientOf(request)));
      return this.discontinue(request, response);
    }
    try {
      const command = new RefreshAccessTokenCommand(token, clientOf(request), undefined, 'cookie', proof);
      const pair = await this.unlessRefused(this.commands.execute(command));
      this.delivery.give(response, pair, 'cookie');
      return this.cookies.fits(pair) ? this.instruct(request, response, id, pair) : this.discontinue(request, response);
    } catch (error) {
      // From now on the page itself finds out that the session is over.
      if (error instanceof ProblemException && error.getStatus() === 401) this.cookies.clear(request, response);
      throw error;
    }
  }

  /** A refresh by a key that the session does not know is a registration without an invitation: limited and recorded as one. */
  private async countUnknown(command: RegisterDeviceKeyCommand): Promise<void> {
    try {
      await this.unlessRefused(this.commands.execute(command));
    } catch (error) {
      if (!(error instanceof ProblemException)) throw error;
    }
  }

  private instruct(
    request: HttpRequest,
    response: unknown,
    id: string,
    renewed: Pick<TokenPair, 'accessToken' | 'expiresIn'>,
  ): SessionInstructionsDto {
    this.cookies.give(response, renewed);
    this.challenge(response, id);
    return instructionsFor(request, id, this.cookies.access, this.host);
  }

  private discontinue(request: HttpRequest, response: unknown): SessionInstructionsDto {
    this.cookies.clear(request, response);
    return DISCONTINUED;
  }

  private challenge(response: unknown, id: string): void {
    this.adapterHost.httpAdapter.setHeader(response, CHALLENGE, challengeOf(this.proofs.challengeOf(id), id));
  }

  /** @throws ProblemException 401; Overloaded for what is temporary */
  private async unlessRefused<T>(answered: Promise<Result<T, RefreshRefusal>>): Promise<T> {
    try {
      const result = await answered;
      if (result.ok) return result.value;
      if (result.reason.kind === 'refused') throw problemOf(result.reason, this.options);
      throw new Overloaded('The session is busy', result.reason.retryAfterSeconds);
    } catch (error) {
      if (error instanceof Throttled) throw new Overloaded('Too many requests', error.retryAfterSeconds);
      throw error;
    }
  }
}
