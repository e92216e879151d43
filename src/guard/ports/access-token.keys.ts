import type { VersionStamps } from '../versions';

/** The claims of an access token (RFC 9068); times are seconds since the epoch on the database's clock. */
export interface AccessTokenClaims {
  readonly sub: string;
  readonly sid: string;
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
  readonly roles: readonly string[];
  readonly stamps: VersionStamps;
  readonly email?: string;
}

/** Verifies access tokens by key, algorithm, `typ`, `iss` and `aud`; it does not check floors or time. */
export abstract class AccessTokenKeys {
  /** Returns the claims of a genuine token, expired or not; null for anything else. */
  abstract verify(token: string): AccessTokenClaims | null;
}
