import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { type AccessTokenClaims, AccessTokenKeys } from './ports/access-token.keys';
import type { Principal } from './principal';
import { RevocationView, type ViewLimits } from './revocation.view';
import { isHonoured, type VersionStamps } from './versions';

const MAX_REMEMBERED = 20_000;
const NONE = Object.freeze({});

/** Decides whether an access token is accepted, without a query: all the data is in memory. */
export class AccessTokenAuthenticator {
  /** Claims by the SHA-256 of the whole token: nothing shorter may be the key. It caches the signature check, never the decision. */
  private readonly genuine = new LRUCache<string, AccessTokenClaims>({ max: MAX_REMEMBERED });

  constructor(
    private readonly keys: AccessTokenKeys,
    private readonly view: RevocationView,
    /** The longest life that a token is granted, whatever it says. */
    private readonly limits: Pick<ViewLimits, 'accessTokenTtlSeconds'>,
  ) {}

  /**
   * The principal, or null for a token that is not valid, or not any more: at once, and as a promise only when the process
   * was frozen and must learn first what has been revoked meanwhile, or while the key of the token is fetched.
   * @throws Overloaded when this instance does not know the revocations well enough to decide
   */
  authenticate(token: string): Principal | null | Promise<Principal | null> {
    const claims = this.claimsOf(token);
    return claims instanceof Promise ? claims.then((found) => this.judge(found)) : this.judge(claims);
  }

  private judge(claims: AccessTokenClaims | null): Principal | null | Promise<Principal | null> {
    if (claims === null) return null;
    const { catchingUp } = this.view;
    return catchingUp === undefined ? this.decide(claims) : catchingUp.then(() => this.decide(claims));
  }

  private decide(claims: AccessTokenClaims): Principal | null {
    const { floors, now } = this.view.floorsOf(claims.sub);
    // A lowered lifetime takes effect at once, also on tokens that were issued before it.
    const expiresAt = Math.min(claims.exp, claims.iat + this.limits.accessTokenTtlSeconds);
    if (now.getTime() >= expiresAt * 1000) return null;
    if (!isHonoured(claims.stamps, floors, now) || this.view.isRevoked(claims.sid)) return null;
    // What ends the actor ends the act: their floor here, their session above.
    const { act } = claims;
    if (act !== undefined && !this.isActorHonoured(act, claims.stamps)) return null;
    return {
      userId: claims.sub,
      actor: act === undefined ? null : { userId: act.sub },
      sessionId: claims.sid,
      roles: [...claims.roles],
      expiresAt,
      authTime: claims.authTime ?? null,
      amr: [...(claims.amr ?? [])],
      acr: claims.acr ?? null,
      claims: claims.claims ?? NONE,
    };
  }

  private isActorHonoured({ sub, uv }: NonNullable<AccessTokenClaims['act']>, stamps: VersionStamps): boolean {
    const { floors, now } = this.view.floorsOf(sub);
    return isHonoured({ ...stamps, tokenVersion: uv }, floors, now);
  }

  /** The time of the database, by which tokens are judged. */
  now(): Date {
    return this.view.now();
  }

  /** Forgets which tokens were genuine: a key by which some were verified is gone. */
  forget(): void {
    this.genuine.clear();
  }

  private claimsOf(token: string): ReturnType<AccessTokenKeys['verify']> {
    const key = hash('sha256', token, 'base64');
    const known = this.genuine.get(key);
    if (known !== undefined) return known;
    const claims = this.keys.verify(token);
    return claims instanceof Promise ? claims.then((found) => this.remember(key, found)) : this.remember(key, claims);
  }

  private remember(key: string, claims: AccessTokenClaims | null): AccessTokenClaims | null {
    if (claims !== null) this.genuine.set(key, claims);
    return claims;
  }
}
