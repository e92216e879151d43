import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-custom';
import { AccessTokenAuthenticator } from '../../guard/access-token.authenticator';
import { bearerOf, type HttpRequest } from '../../guard/nest/http-request';
import type { Principal } from '../../guard/principal';

/**
 * The passport strategy `ratchet`, for hosts that compose guards: `AuthGuard(['ratchet', 'api-key'])`. Passport knows no route, so
 * it cannot know which ones require the user in person: nobody acts for a user by this strategy.
 */
@Injectable()
export class AccessTokenStrategy extends PassportStrategy(Strategy, 'ratchet') {
  constructor(private readonly authenticator: AccessTokenAuthenticator) {
    super();
  }

  /** Null lets the next strategy try. */
  async validate(request: HttpRequest): Promise<Principal | null> {
    const token = bearerOf(request);
    const principal = token === undefined ? null : await this.authenticator.authenticate(token);
    return principal?.actor === null ? principal : null;
  }
}
