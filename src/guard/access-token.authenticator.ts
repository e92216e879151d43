import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { accessTokenHashOf, isProofFor, parseProof, type ProvenRequest, thumbprintOf } from './dpop';
import { type Origins, originsOf } from './origins';
import { type AccessTokenClaims, AccessTokenKeys } from './ports/access-token.keys';
import type { Principal } from './principal';
import { RevocationView, type ViewLimits } from './revocation.view';
import { isHonoured, type VersionStamps } from './versions';

const MAX_REMEMBERED = 20_000;
const MAX_PROOFS = 100_000;
const NONE = Object.freeze({});
/** How far the clock of a device may be from that of the database, in seconds. */
const PROOF_WINDOW = 60;

/** The `DPoP` header that came with an access token, and the request that it must be for. */
export interface AccessProof extends ProvenRequest {
  readonly jwt: string;
}

/** Decides whether an access token is accepted, without a query: all the data is in memory. */
export class AccessTokenAuthenticator {
  /** Claims by the SHA-256 of the whole token: nothing shorter may be the key. It caches the signature check, never the decision. */
  private readonly genuine = new LRUCache<string, AccessTokenClaims>({ max: MAX_REMEMBERED });

  private proofs: LRUCache<string, true> | undefined;

  constructor(
    private readonly keys: AccessTokenKeys,
    private readonly view: RevocationView,
    /** The longest life that a token is granted, whatever it says. */
    private readonly limits: Pick<ViewLimits, 'accessTokenTtlSeconds'>,
    /** Without one of its own, no token that is bound by DPoP is accepted by the guard. */
    readonly origins: Origins = originsOf(null),
  ) {}

  /**
   * The principal, or null for a token that is not valid, or not any more: at once, and as a promise only when the process
   * was frozen and must learn first what has been revoked meanwhile, or while the key of the token is fetched.
   *
   * A token that is bound to a key requires its proof, and any other token refuses one (RFC 9449 section 7.1).
   * @throws Overloaded when this instance does not know the revocations well enough to decide
   */
  authenticate(token: string, proof?: AccessProof): Principal | null | Promise<Principal | null> {
    const principal = this.inspect(token);
    // Outside of what is remembered of a token, which anyone who has it could ask for.
    const proven = (found: Principal | null) => (found !== null && this.isProven(found, token, proof) ? found : null);
    return principal instanceof Promise ? principal.then(proven) : proven(principal);
  }

  /** The principal as {@link authenticate} finds it, but for somebody who asks about a token and does not use it: without a proof. */
  inspect(token: string): Principal | null | Promise<Principal | null> {
    const claims = this.claimsOf(token);
    return claims instanceof Promise ? claims.then((found) => this.judge(found)) : this.judge(claims);
  }

  private isProven({ jkt }: Principal, token: string, given: AccessProof | undefined): boolean {
    if (jkt === null || given === undefined) return jkt === null && given === undefined;
    const proof = parseProof(given.jwt);
    if (proof === null || proof.ath !== accessTokenHashOf(token)) return false;
    if (Math.abs(this.now().getTime() / 1000 - proof.iat) > PROOF_WINDOW) return false;
    if (thumbprintOf(proof.key) !== jkt || !isProofFor(proof, given)) return false;
    const id = hash('sha256', `${jkt} ${proof.jti}`, 'base64');
    if (this.used.has(id)) return false;
    this.used.set(id, true);
    return true;
  }

  /**
   * The proofs of the last two minutes, in which a proof is recent: each counts once in this process. Made for the first of
   * them, since it takes the room of all at once: 4 MB, and at every start 20 ms.
   */
  private get used(): LRUCache<string, true> {
    return (this.proofs ??= new LRUCache({ max: MAX_PROOFS, ttl: 2 * PROOF_WINDOW * 1000 }));
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
      jkt: claims.jkt ?? null,
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
