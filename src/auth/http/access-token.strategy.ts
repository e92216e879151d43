import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-custom';
import { AccessTokenAuthenticator } from '../../guard/access-token.authenticator';
import { credentialsOf, type HttpRequest } from '../../guard/nest/http-request';
import { ProblemException } from '../../guard/nest/problem.exception';
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
    try {
      const found = credentialsOf(request, this.authenticator.origins);
      const principal = found === undefined ? null : await this.authenticator.authenticate(found.token, found.proof);
      return principal?.actor === null ? principal : null;
    } catch (error) {
      // The bound cookie of a page that may not use it.
      if (error instanceof ProblemException) return null;
      throw error;
    }
  }
}
