import type { AccessTokenClaims } from '../../guard/ports/access-token.keys';

/** Signs access tokens that `AccessTokenKeys` of the same ring verifies. */
export abstract class AccessTokenSigner {
  abstract sign(claims: AccessTokenClaims): string;
}
