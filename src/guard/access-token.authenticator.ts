import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type AccessTokenClaims, AccessTokenKeys } from './ports/access-token.keys';
import type { Principal } from './principal';
import { RevocationView } from './revocation.view';
import { isHonoured } from './versions';

const MAX_REMEMBERED = 20_000;

/** Decides whether an access token is accepted, without a query: all the data is in memory. */
export class AccessTokenAuthenticator {
  /** Claims by the SHA-256 of the whole token: nothing shorter may be the key. It caches the signature check, never the decision. */
  private readonly genuine = new LRUCache<string, AccessTokenClaims>({ max: MAX_REMEMBERED });

  constructor(
    private readonly keys: AccessTokenKeys,
    private readonly view: RevocationView,
    /** The longest life that a token is granted, whatever it says. */
    private readonly maxLifeSeconds: number,
  ) {}

  /**
   * Returns the principal, or null for a token that is not valid, or not any more.
   * @throws Overloaded when this instance does not know the revocations well enough to decide
   */
  authenticate(token: string): Principal | null {
    const claims = this.claimsOf(token);
    if (claims === null) return null;
    const { floors, now } = this.view.floorsOf(claims.sub);
    // A lowered lifetime takes effect at once, also on tokens that were issued before it.
    const expiresAt = Math.min(claims.exp, claims.iat + this.maxLifeSeconds);
    if (now.getTime() >= expiresAt * 1000) return null;
    if (!isHonoured(claims.stamps, floors, now) || this.view.isRevoked(claims.sid)) return null;
    return { userId: claims.sub, sessionId: claims.sid, roles: [...claims.roles], expiresAt };
  }

  private claimsOf(token: string): AccessTokenClaims | null {
    const key = hash('sha256', token, 'base64');
    const known = this.genuine.get(key);
    if (known !== undefined) return known;
    const claims = this.keys.verify(token);
    if (claims !== null) this.genuine.set(key, claims);
    return claims;
  }
}
