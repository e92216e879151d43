import { Query } from '@nestjs/cqrs';
import type { PublicJwk } from '../../domain/access-token-key';

/** The public keys of the access-token ring, in its order, as the members of a JWK Set (RFC 7517 section 5); never a secret. */
export class GetPublicKeysQuery extends Query<readonly PublicJwk[]> {}
