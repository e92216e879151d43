import { Injectable } from '@nestjs/common';
import { v4 as uuidv4 } from 'uuid';
import { type GlobalFloor, graceLimitOf, type VersionStamps } from '../../guard/versions';
import type { RefreshUser } from '../domain/refresh-decision';
import { type RefreshToken, RefreshTokenKeyRing } from '../domain/refresh-token';
import type { Session } from '../domain/session';
import { AuthOptions } from '../options/auth.options';
import { AccessTokenSigner } from '../ports/access-token.signer';

/** The result of a login, a refresh or a password change. */
export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly tokenType: 'Bearer';
  /** Seconds until the access token expires. */
  readonly expiresIn: number;
  /** Seconds until the session expires unless it is refreshed. */
  readonly refreshExpiresIn: number;
  readonly sessionId: string;
  readonly generation: number;
}

/** Seals refresh tokens and signs access tokens. */
@Injectable()
export class TokenPairIssuer {
  constructor(
    private readonly signer: AccessTokenSigner,
    private readonly keys: RefreshTokenKeyRing,
    private readonly options: AuthOptions,
  ) {}

  /**
   * Issues the pair for a session whose row will have the stamps and the expiry of `row`. The roles are the user's current
   * ones, never those of an older token. `now` is the database's clock.
   */
  issue(
    user: RefreshUser,
    token: RefreshToken,
    row: VersionStamps & Pick<Session, 'expiresAt'>,
    { floors, now }: { readonly floors: GlobalFloor; readonly now: Date },
  ): TokenPair {
    const iat = seconds(now);
    const graceLimit = graceLimitOf(row, floors);
    const exp = Math.min(
      iat + this.options.accessTokenTtlSeconds,
      // Code that ends the user's other sessions ignores an expired one.
      seconds(row.expiresAt),
      graceLimit === null ? Infinity : seconds(graceLimit),
    );
    const accessToken = this.signer.sign({
      sub: user.id,
      sid: token.sessionId,
      jti: uuidv4(),
      iat,
      exp,
      roles: user.roles,
      stamps: { tokenVersion: row.tokenVersion, globalVersionAtIssuance: row.globalVersionAtIssuance },
      ...(this.options.emailClaim ? { email: user.email } : {}),
    });
    return {
      accessToken,
      refreshToken: this.keys.seal(token),
      tokenType: 'Bearer',
      expiresIn: exp - iat,
      refreshExpiresIn: Math.max(0, seconds(row.expiresAt) - iat),
      sessionId: token.sessionId,
      generation: token.generation,
    };
  }

  /** The idle limit that a rotation at `now` sets: never past the absolute one. */
  idleLimit({ absoluteExpiresAt }: Pick<Session, 'absoluteExpiresAt'>, now: Date): Date {
    return new Date(Math.min(now.getTime() + this.options.refreshTokenTtlSeconds * 1000, absoluteExpiresAt.getTime()));
  }
}

const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);
