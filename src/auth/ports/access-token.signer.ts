import type { AccessTokenClaims } from '../../guard/ports/access-token.keys';

/** Signs access tokens that the `AccessTokenKeys` of the same key ring accept. */
export abstract class AccessTokenSigner {
  abstract sign(claims: AccessTokenClaims): string;
}
