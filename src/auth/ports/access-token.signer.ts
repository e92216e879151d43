import type { AccessTokenClaims } from '../../guard/ports/access-token.keys';
import type { PublicJwk } from '../domain/access-token-key';

/** Signs access tokens that the `AccessTokenKeys` of the same key ring accept. */
export abstract class AccessTokenSigner {
  /** Returns the token, at once, or as a promise only where the first key signs elsewhere, such as in a KMS. */
  abstract sign(claims: AccessTokenClaims): string | Promise<string>;

  /** The keys that others may verify tokens by, in the order of the ring; never a secret. */
  abstract publicJwks(): readonly PublicJwk[];
}
