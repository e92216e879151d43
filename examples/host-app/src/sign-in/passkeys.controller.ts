import { BadRequestException, Body, Controller, HttpCode, Post, Req, Res, UnauthorizedException } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { InjectRepository } from '@nestjs/typeorm';
import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import {
  AuthOptions,
  CurrentPrincipal,
  type DeliveredPair,
  type HttpRequest,
  NoStore,
  type Principal,
  Public,
  RateLimits,
  RequireAuth,
  SealVerifiedUserQuery,
  TokenDelivery,
  UserDirectory,
} from 'nest-ratchet';
import { Repository } from 'typeorm';
import { Ceremonies } from './ceremonies.js';
import { Passkey } from './passkey.entity.js';
import { SessionOpener } from './session.opener.js';

@Controller('passkeys')
export class PasskeysController {
  private readonly origin: string;
  private readonly site: string;

  constructor(
    @InjectRepository(Passkey) private readonly passkeys: Repository<Passkey>,
    private readonly ceremonies: Ceremonies,
    private readonly queries: QueryBus,
    private readonly delivery: TokenDelivery,
    private readonly limits: RateLimits,
    private readonly opener: SessionOpener,
    private readonly people: UserDirectory,
    { publicOrigin }: AuthOptions,
  ) {
    this.origin = publicOrigin ?? '';
    this.site = new URL(this.origin).hostname;
  }

  /** A new way to sign in requires a recent proof of the person. */
  @RequireAuth({ maxAge: '10m' })
  @HttpCode(200)
  @Post('registration')
  async beginRegistration(@CurrentPrincipal() { userId }: Principal, @Res({ passthrough: true }) response: unknown) {
    const person = await this.people.findById(userId);
    const options = await generateRegistrationOptions({
      rpName: 'Finance tracker',
      rpID: this.site,
      userName: person?.email ?? userId,
      attestationType: 'none',
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    });
    await this.ceremonies.begin('passkey registration', { challenge: options.challenge, userId }, response);
    return options;
  }

  @RequireAuth({ maxAge: '10m' })
  @HttpCode(204)
  @Post()
  async register(
    @CurrentPrincipal() { userId }: Principal,
    @Body() answer: RegistrationResponseJSON,
    @Req() request: HttpRequest,
  ): Promise<void> {
    const begun = await this.ceremonies.take('passkey registration', request);
    if (begun === null || begun.userId !== userId) throw new BadRequestException('the registration has not begun');
    const { registrationInfo } = await verifyRegistrationResponse({
      response: answer,
      expectedChallenge: begun.challenge ?? '',
      expectedOrigin: this.origin,
      expectedRPID: this.site,
    }).catch(() => ({ registrationInfo: undefined }));
    if (registrationInfo === undefined) throw new BadRequestException('the passkey could not be verified');
    const { id, publicKey, counter } = registrationInfo.credential;
    const key = { id, personId: userId, publicKey: Buffer.from(publicKey), counter: String(counter) };
    await this.passkeys.insert(key);
  }

  @Public()
  @HttpCode(200)
  @Post('challenge')
  async challenge(@Req() request: HttpRequest, @Res({ passthrough: true }) response: unknown) {
    await this.limits.take('loginPerIp', `passkey ${request.ip}`);
    const options = await generateAuthenticationOptions({ rpID: this.site, userVerification: 'required' });
    await this.ceremonies.begin('passkey', { challenge: options.challenge }, response);
    return options;
  }

  @Public()
  @NoStore()
  @HttpCode(200)
  @Post('session')
  async signIn(
    @Body() answer: AuthenticationResponseJSON,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: unknown,
  ): Promise<DeliveredPair> {
    this.delivery.demandOrigin(request);
    const begun = await this.ceremonies.take('passkey', request);
    const id: unknown = answer?.id;
    const passkey = typeof id === 'string' ? await this.passkeys.findOneBy({ id }) : null;
    if (begun === null || passkey === null) throw new UnauthorizedException();
    // Before the proof is checked: whatever ends the person's sessions from here on ends the new one, too.
    const verified = await this.queries.execute(new SealVerifiedUserQuery(passkey.personId, 'passkey'));
    const counter = await this.counterOf(answer, begun.challenge ?? '', passkey);
    // None for a passkey that was removed in the meantime, and for a copy that is behind.
    const used = await this.passkeys
      .createQueryBuilder()
      .update()
      .set({ counter: String(counter), usedAt: () => 'now()' })
      .where('id = :id AND (counter = 0 OR counter < :counter)', { id, counter })
      .execute();
    if (used.affected !== 1) throw new UnauthorizedException();
    // RFC 8176: a key (pop) that its holder unlocked (user), so two factors (mfa).
    const proof = { method: 'passkey', amr: ['pop', 'user', 'mfa'], acr: 'aal2' };
    return this.opener.open(verified, proof, request, response);
  }

  private async counterOf(answer: AuthenticationResponseJSON, challenge: string, key: Passkey): Promise<number> {
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: answer,
      expectedChallenge: challenge,
      expectedOrigin: this.origin,
      expectedRPID: this.site,
      credential: { id: key.id, publicKey: new Uint8Array(key.publicKey), counter: Number(key.counter) },
    }).catch(() => {
      throw new UnauthorizedException();
    });
    if (!verified) throw new UnauthorizedException();
    return authenticationInfo.newCounter;
  }
}
