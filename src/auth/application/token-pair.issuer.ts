import { Injectable, Logger } from '@nestjs/common';
import { v4 as uuidv4 } from 'uuid';
import type { AccessTokenClaims } from '../../guard/ports/access-token.keys';
import { type GlobalFloor, graceLimitOf, type VersionStamps } from '../../guard/versions';
import { inTime } from '../../support/in-time';
import { messageOf } from '../../support/message-of';
import { Outage } from '../../support/outage';
import { Overloaded } from '../../support/overloaded';
import { mergedClaims } from '../domain/claims';
import type { RefreshUser } from '../domain/refresh-decision';
import { type RefreshToken, RefreshTokenKeyRing } from '../domain/refresh-token';
import type { Claims, Session, SessionProof } from '../domain/session';
import { AuthOptions, bindsAccessTokens } from '../options/auth.options';
import { AccessTokenSigner } from '../ports/access-token.signer';

/** `DPoP`: each use of the access token requires a proof (RFC 9449 section 7.1). */
export type TokenType = 'Bearer' | 'DPoP';

/** The result of a login, a refresh or a password change. */
export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly tokenType: TokenType;
  /** Seconds until the access token expires. */
  readonly expiresIn: number;
  /** Seconds until the session expires unless it is refreshed. */
  readonly refreshExpiresIn: number;
  readonly sessionId: string;
  readonly generation: number;
}

/** An access token by which somebody acts for a user; no refresh token belongs to it. */
export interface ActingToken {
  readonly accessToken: string;
  readonly tokenType: TokenType;
  /** Seconds until the access token expires. */
  readonly expiresIn: number;
  /** The same as a time of the database's clock. */
  readonly expiresAt: Date;
}

/** The policy and the database's clock, of one reading. */
interface Reading {
  readonly floors: GlobalFloor;
  readonly now: Date;
}

/** Seals refresh tokens and signs access tokens. */
@Injectable()
export class TokenPairIssuer {
  private readonly logger = new Logger(TokenPairIssuer.name);
  private readonly reported = new Set<string>();
  private readonly signing = new Outage(this.logger, 'Access tokens are signed again');

  constructor(
    private readonly signer: AccessTokenSigner,
    private readonly keys: RefreshTokenKeyRing,
    private readonly options: AuthOptions,
  ) {}

  /**
   * Issues the pair for a session whose row will have the stamps and the expiry of `row`, and has its `proof`. The roles are the
   * user's current ones, never those of an older token. `now` is the database's clock. A promise only where the access token is signed
   * elsewhere.
   * @throws Overloaded, in the promise, when it was not signed in time
   */
  issue(
    user: RefreshUser,
    token: RefreshToken,
    row: VersionStamps & Pick<Session, 'expiresAt'>,
    proof: SessionProof & Pick<Session, 'binding'>,
    reading: Reading,
  ): TokenPair | Promise<TokenPair> {
    const iat = seconds(reading.now);
    const exp = expiryOf(row, reading, this.options.accessTokenTtlSeconds);
    const bound = this.boundTo(proof);
    const accessToken = this.signer.sign({
      ...this.claimsOf(user, proof.claims),
      ...bound,
      sid: token.sessionId,
      jti: uuidv4(),
      iat,
      exp,
      stamps: { tokenVersion: row.tokenVersion, globalVersionAtIssuance: row.globalVersionAtIssuance },
      ...(proof.authTime === null ? {} : { authTime: seconds(proof.authTime) }),
      ...(proof.amr === null ? {} : { amr: proof.amr }),
      ...(proof.acr === null ? {} : { acr: proof.acr }),
    });
    const pairWith = (accessToken: string): TokenPair => ({
      accessToken,
      refreshToken: this.keys.seal(token),
      tokenType: typeOf(bound),
      expiresIn: exp - iat,
      refreshExpiresIn: Math.max(0, seconds(row.expiresAt) - iat),
      sessionId: token.sessionId,
      generation: token.generation,
    });
    return typeof accessToken === 'string' ? pairWith(accessToken) : this.signedInTime(accessToken).then(pairWith);
  }

  /** Somebody else's failure is 503, not a fault of ours: the client's token is as good as before, and it tries again. */
  private async signedInTime(signed: Promise<string>): Promise<string> {
    try {
      const accessToken = await inTime(signed, SIGNING_MS);
      this.signing.ends();
      return accessToken;
    } catch (error) {
      this.signing.goesOn(`No access token can be signed: ${messageOf(error)}`);
      throw new Overloaded('The access token could not be signed', 1, { cause: error });
    }
  }

  /**
   * Issues an access token by which the user of the actor's session acts for `user`, whose floor is `tokenVersion`. It has the
   * global stamp of that session, and expires with it.
   */
  async issueActing(
    user: RefreshUser,
    tokenVersion: number,
    { ttl, claims }: { readonly ttl: number; readonly claims: Claims | null },
    { session, ...reading }: Reading & { readonly session: Session },
  ): Promise<ActingToken> {
    const iat = seconds(reading.now);
    const exp = expiryOf(session, reading, ttl);
    const bound = this.boundTo(session);
    const signed = this.signer.sign({
      ...this.claimsOf(user, claims),
      ...bound,
      sid: session.id,
      jti: uuidv4(),
      iat,
      exp,
      stamps: { tokenVersion, globalVersionAtIssuance: session.globalVersionAtIssuance },
      act: { sub: session.userId, uv: session.tokenVersion },
    });
    const accessToken = typeof signed === 'string' ? signed : await this.signedInTime(signed);
    return { accessToken, tokenType: typeOf(bound), expiresIn: exp - iat, expiresAt: new Date(exp * 1000) };
  }

  /** The key that must prove each use of an access token of the session, where access tokens are bound, too. */
  private boundTo({ binding }: Pick<Session, 'binding'>): Pick<AccessTokenClaims, 'jkt'> {
    return binding?.kind === 'dpop' && bindsAccessTokens(this.options) ? { jkt: binding.jkt } : {};
  }

  /** What a token says of its user, and of the session or the act beside that. */
  private claimsOf(
    user: RefreshUser,
    own: Claims | null,
  ): Pick<AccessTokenClaims, 'sub' | 'roles' | 'email' | 'claims'> {
    const claims = mergedClaims(user.claims, own, (name, what) => this.reportOnce(name, what));
    return {
      sub: user.id,
      roles: user.roles,
      ...(this.options.emailClaim ? { email: user.email } : {}),
      ...(claims === undefined ? {} : { claims }),
    };
  }

  /** The idle limit that a rotation at `now` sets: never past the absolute one. */
  idleLimit({ absoluteExpiresAt }: Pick<Session, 'absoluteExpiresAt'>, now: Date): Date {
    return new Date(Math.min(now.getTime() + this.options.refreshTokenTtlSeconds * 1000, absoluteExpiresAt.getTime()));
  }

  /** Not for each request; the names are the host's, and may be without number. */
  private reportOnce(name: string, what: string): void {
    if (this.reported.has(name) || this.reported.size >= MOST_REPORTED) return;
    this.reported.add(name);
    this.logger.warn(name === '' ? `The claims ${what}` : `The claim ${JSON.stringify(name)} ${what}`);
  }
}

const typeOf = ({ jkt }: Pick<AccessTokenClaims, 'jkt'>): TokenType => (jkt === undefined ? 'Bearer' : 'DPoP');

/** How long a signature that is made elsewhere may take. */
const SIGNING_MS = 2000;

/** How many names of claims one process warns of. */
const MOST_REPORTED = 100;

/** When an access token of a session with this row ends, in seconds since the epoch. */
function expiryOf(
  row: VersionStamps & Pick<Session, 'expiresAt'>,
  { floors, now }: Reading,
  ttlSeconds: number,
): number {
  const graceLimit = graceLimitOf(row, floors);
  return Math.min(
    seconds(now) + ttlSeconds,
    // Code that ends the user's other sessions ignores an expired one.
    seconds(row.expiresAt),
    graceLimit === null ? Infinity : seconds(graceLimit),
  );
}

const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);
