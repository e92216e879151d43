import type { VersionStamps } from '../versions';

/** The claims of an access token (RFC 9068); times are seconds since the epoch on the database's clock. */
export interface AccessTokenClaims {
  /** The id of the user. */
  readonly sub: string;
  /** The id of the session; of an actor, the actor's. */
  readonly sid: string;
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
  readonly roles: readonly string[];
  /** The claims `uv` and `gv`. */
  readonly stamps: VersionStamps;
  /** Only with the option `emailClaim`. */
  readonly email?: string;
  /** When the user last proved who they are, in seconds; `amr` and `acr` say how (RFC 9068, section 2.2.1). */
  readonly authTime?: number;
  readonly amr?: readonly string[];
  readonly acr?: string;
  /** The user who acts for `sub` (RFC 8693, section 4.1), and the user stamp of the actor's session, which `sid` is; absent if nobody does. */
  readonly act?: { readonly sub: string; readonly uv: number };
  /** The thumbprint of the key that must prove each use of the token (RFC 9449, section 6.1); absent for a bearer token. */
  readonly jkt?: string;
  /** The host's own claims, which are top-level claims of the token. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** Verifies access tokens by key, algorithm, `typ`, `iss` and `aud`; it does not check floors or time. */
export abstract class AccessTokenKeys {
  /**
   * Returns the claims of a genuine token, expired or not; null for anything else. At once, and as a promise only while a key
   * that is not at hand is fetched.
   */
  abstract verify(token: string): AccessTokenClaims | null | Promise<AccessTokenClaims | null>;
}
