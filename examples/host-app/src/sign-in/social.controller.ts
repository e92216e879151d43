import { randomBytes, randomUUID } from 'node:crypto';
import { ConflictException, Controller, Get, Redirect, Req, Res, UnauthorizedException } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { InjectRepository } from '@nestjs/typeorm';
import {
  AuthOptions,
  type HttpRequest,
  loginSpelling,
  NoStore,
  PasswordHasher,
  Public,
  RateLimits,
  SealVerifiedUserQuery,
} from 'nest-ratchet';
import { Repository } from 'typeorm';
import { Person } from '../people/person.entity.js';
import { Ceremonies } from './ceremonies.js';
import { Identity } from './identity.entity.js';
import { ProviderClient, type ProvenIdentity, type RoundTrip } from './provider.client.js';
import { SessionOpener } from './session.opener.js';

@Public()
@Controller('social')
export class SocialController {
  constructor(
    @InjectRepository(Identity) private readonly identities: Repository<Identity>,
    private readonly provider: ProviderClient,
    private readonly ceremonies: Ceremonies,
    private readonly queries: QueryBus,
    private readonly hasher: PasswordHasher,
    private readonly limits: RateLimits,
    private readonly opener: SessionOpener,
    private readonly options: AuthOptions,
  ) {}

  @NoStore()
  @Redirect()
  @Get()
  async begin(@Req() request: HttpRequest, @Res({ passthrough: true }) response: unknown): Promise<{ url: string }> {
    await this.limits.take('loginPerIp', `social ${request.ip}`);
    const { url, trip } = await this.provider.begin(this.at('/api/social/callback'));
    await this.ceremonies.begin('social', { ...trip }, response);
    return { url };
  }

  /** The browser arrives from another site, so no origin is demanded: the state proves that this browser began. */
  @NoStore()
  @Redirect()
  @Get('callback')
  async callback(
    @Req() request: HttpRequest & { readonly url: string },
    @Res({ passthrough: true }) response: unknown,
  ): Promise<{ url: string }> {
    const trip = await this.ceremonies.take('social', request);
    if (trip === null) throw new UnauthorizedException();
    const callback = new URL(new URL(request.url, 'http://host').search, this.at('/api/social/callback'));
    const identity = await this.provider.end(callback, trip as unknown as RoundTrip).catch(() => {
      throw new UnauthorizedException();
    });
    const personId = await this.personOf(identity);
    const verified = await this.queries.execute(new SealVerifiedUserQuery(personId, 'social'));
    // None for an identity that was unlinked in the meantime.
    const { issuer, subject } = identity;
    const used = await this.identities.update({ issuer, subject, personId }, { usedAt: () => 'now()' });
    if (used.affected !== 1) throw new UnauthorizedException();
    const { authTime, amr } = identity;
    await this.opener.open(verified, { method: 'social', authTime, amr }, request, response);
    // The page gets its access token by a refresh.
    return { url: this.at('/api/sign-in') };
  }

  private at(path: string): string {
    return `${this.options.publicOrigin ?? ''}${path}`;
  }

  private async personOf(identity: ProvenIdentity): Promise<string> {
    const { issuer, subject } = identity;
    const known = await this.identities.findOneBy({ issuer, subject });
    return known?.personId ?? this.join(identity);
  }

  /** Never the person who has the e-mail here already: at the provider it may be somebody else's. */
  private async join({ issuer, subject, email }: ProvenIdentity): Promise<string> {
    if (email === null) throw new UnauthorizedException('the provider has not verified the e-mail');
    const id = randomUUID();
    // A password that nobody knows.
    const passwordHash = await this.hasher.hash(randomBytes(32).toString('base64url'));
    await this.identities.manager.transaction(async (manager) => {
      const { raw } = await manager
        .createQueryBuilder()
        .insert()
        .into(Person)
        .values({ id, email: loginSpelling(email), passwordHash, roles: ['user'], isActive: true })
        .orIgnore()
        .returning('id')
        .execute();
      if ((raw as unknown[]).length === 0) throw new ConflictException('This e-mail is taken: sign in as before');
      await manager.insert(Identity, { issuer, subject, personId: id });
    });
    return id;
  }
}
