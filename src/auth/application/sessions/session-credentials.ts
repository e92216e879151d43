import { Injectable } from '@nestjs/common';
import { AccessTokenKeys } from '../../../guard/ports/access-token.keys';
import { RefreshTokenKeyRing } from '../../domain/refresh-token';
import type { LogOutToken } from './log-out.command';

/** The credentials of sessions: refresh tokens and access tokens. */
@Injectable()
export class SessionCredentials {
  constructor(
    private readonly refreshTokens: RefreshTokenKeyRing,
    private readonly accessTokens: AccessTokenKeys,
  ) {}

  /**
   * The id of the session for which this system issued the token, expired or not; null for a token of anyone else, and for one
   * by which somebody acts for a user: its session is the actor's.
   */
  async sessionOf(token: LogOutToken): Promise<string | null> {
    if ('refreshToken' in token) return this.refreshTokens.open(token.refreshToken)?.sessionId ?? null;
    const claims = await this.accessTokens.verify(token.accessToken);
    return claims === null || claims.act !== undefined ? null : claims.sid;
  }
}
