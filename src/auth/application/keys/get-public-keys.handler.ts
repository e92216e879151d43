import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import type { PublicJwk } from '../../domain/access-token-key';
import { AccessTokenSigner } from '../../ports/access-token.signer';
import { GetPublicKeysQuery } from './get-public-keys.query';

@QueryHandler(GetPublicKeysQuery)
export class GetPublicKeysHandler implements IQueryHandler<GetPublicKeysQuery> {
  constructor(private readonly signer: AccessTokenSigner) {}

  async execute(): Promise<readonly PublicJwk[]> {
    return this.signer.publicJwks();
  }
}
