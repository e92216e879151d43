import { Get, Header } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { PROOF_ALGORITHMS } from '../../../guard/dpop';
import { Public } from '../../../guard/nest/decorators';
import { GetPublicKeysQuery } from '../../application/keys/get-public-keys.query';
import { AuthOptions } from '../../options/auth.options';
import { ApiProblems, UNREADABLE } from '../kit/api-problems';
import { AuthRoutes } from '../kit/auth-routes';
import { ApiOkResponse, ApiOperation, ApiTags } from '../kit/openapi';
import { JwkSetDto, ServerMetadataDto } from './oauth.dto';

/** Seconds, for caches and clients. A new key is in every ring, and so here, long before it signs. */
const MAX_AGE = 'max-age=300';

@ApiTags('oauth')
@Public()
@AuthRoutes('.well-known')
export class WellKnownController {
  constructor(
    private readonly queries: QueryBus,
    private readonly options: AuthOptions,
  ) {}

  @ApiOperation({
    summary: 'Public keys',
    description: 'The keys by which other services verify access tokens (RFC 7517). Secrets are never among them.',
  })
  @ApiOkResponse({ type: JwkSetDto })
  @ApiProblems([400], UNREADABLE)
  @Header('Cache-Control', MAX_AGE)
  @Get('jwks.json')
  async publicKeys(): Promise<JwkSetDto> {
    return { keys: await this.queries.execute(new GetPublicKeysQuery()) };
  }

  @ApiOperation({
    summary: 'Server metadata',
    description: 'Where the endpoints are, and what they support (RFC 8414).',
  })
  @ApiOkResponse({ type: ServerMetadataDto })
  @ApiProblems([400], UNREADABLE)
  @Header('Cache-Control', MAX_AGE)
  @Get('oauth-authorization-server')
  serverMetadata(): ServerMetadataDto {
    const { accessTokenIssuer: issuer, dpop, publicOrigin } = this.options;
    const binds = dpop !== 'off' && publicOrigin !== null;
    return {
      issuer,
      token_endpoint: `${issuer}/oauth/token`,
      revocation_endpoint: `${issuer}/oauth/revoke`,
      introspection_endpoint: `${issuer}/oauth/introspect`,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      grant_types_supported: ['refresh_token'],
      response_types_supported: [],
      token_endpoint_auth_methods_supported: ['none'],
      revocation_endpoint_auth_methods_supported: ['none'],
      introspection_endpoint_auth_methods_supported: ['client_secret_basic'],
      ...(binds ? { dpop_signing_alg_values_supported: PROOF_ALGORITHMS } : {}),
    };
  }
}
