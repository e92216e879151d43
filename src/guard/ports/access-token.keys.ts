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

/** Verifies access tokens; knows keys, algorithm, `typ`, `iss` and `aud`, and nothing of floors or time. */
export abstract class AccessTokenKeys {
  /** The claims of a genuine token, expired or not; null for anything else. */
  abstract verify(token: string): AccessTokenClaims | null;
}
