import type { TokenType } from '../../application/token-pair.issuer';
import { ApiProperty } from '../kit/openapi';
import { USER_ID } from '../kit/user-id';

export class TokenRequestDto {
  @ApiProperty({ enum: ['refresh_token'] })
  grant_type!: string;

  /** The public client, which has no secret. */
  @ApiProperty({ example: 'app' })
  client_id!: string;

  /** The newest refresh token of the session. */
  @ApiProperty({ example: 'rt1_…' })
  refresh_token!: string;
}

export class TokenResponseDto {
  /** A JWT (RFC 9068), for the `Authorization` header. */
  @ApiProperty({ example: 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.…' })
  access_token!: string;

  /** `DPoP`: each use of the access token requires a proof (RFC 9449). */
  @ApiProperty({ example: 'Bearer', enum: ['Bearer', 'DPoP'] })
  token_type!: TokenType;

  /** Seconds until the access token expires. */
  @ApiProperty({ example: 900 })
  expires_in!: number;

  /** The successor of the token that was sent: opaque, 96 characters. */
  @ApiProperty({ example: 'rt1_…' })
  refresh_token!: string;
}

export class RevocationRequestDto {
  /** Any genuine token of the session: a refresh token, including a superseded or expired one, or an access token. */
  @ApiProperty({ example: 'rt1_…' })
  token!: string;

  /** The public client, which has no secret. */
  @ApiProperty({ example: 'app' })
  client_id!: string;

  /** Ignored: the token itself shows its kind. */
  @ApiProperty({ example: 'refresh_token', required: false })
  token_type_hint?: string;
}

export class IntrospectionRequestDto {
  /** An access token or a refresh token. */
  @ApiProperty({ example: 'eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.…' })
  token!: string;

  /** Ignored: the token itself shows its kind. */
  @ApiProperty({ example: 'access_token', required: false })
  token_type_hint?: string;
}

/** Of an inactive token there is `active` alone. The host's own claims are members, too. */
export class IntrospectionDto {
  /** Whether the token is accepted at this moment. */
  @ApiProperty({ example: true })
  active!: boolean;

  /** Present for access tokens only. */
  @ApiProperty({ example: 'Bearer', enum: ['Bearer', 'DPoP'], required: false })
  token_type?: TokenType;

  @ApiProperty({ example: 'app', required: false })
  client_id?: string;

  @ApiProperty({ example: 'https://app.example', required: false })
  iss?: string;

  /** Present for access tokens only. */
  @ApiProperty({ example: 'ratchet', required: false })
  aud?: string;

  /** The user's id. */
  @ApiProperty({ ...USER_ID, required: false })
  sub?: string;

  /** The session's id. */
  @ApiProperty({ format: 'uuid', required: false })
  sid?: string;

  /** When the token expires unless it ends earlier, in seconds since the epoch. */
  @ApiProperty({ example: 1769861700, required: false })
  exp?: number;

  /** The roles in the access token. */
  @ApiProperty({ example: ['user'], required: false })
  roles?: readonly string[];

  /** When the user last proved who they are, in seconds since the epoch. */
  @ApiProperty({ example: 1769860800, required: false })
  auth_time?: number;

  @ApiProperty({ example: ['pwd'], required: false })
  amr?: readonly string[];

  @ApiProperty({ example: 'aal1', required: false })
  acr?: string;

  /** The actor, where somebody acts for the user (RFC 8693 section 4.1). A service that does not know it must refuse the token. */
  @ApiProperty({ example: { sub: '0198d3f4-0000-7000-8000-000000000001' }, required: false })
  act?: { readonly sub: string };

  /** The key that must prove each use of the token (RFC 9449 section 6.2); absent if none must. */
  @ApiProperty({ example: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' }, required: false })
  cnf?: { readonly jkt: string };
}

/** The body of every error (RFC 6749 section 5.2). */
export class OAuthErrorDto {
  @ApiProperty({ example: 'invalid_grant' })
  error!: string;

  /** For developers; programs branch on `error` and on the status. */
  @ApiProperty({ example: 'the refresh token is not valid, or not any more' })
  error_description!: string;
}

const JWK = {
  kty: 'EC',
  crv: 'P-256',
  x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
  y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
  kid: 'k1',
  alg: 'ES256',
  use: 'sig',
};

/** A JWK Set (RFC 7517 section 5). */
export class JwkSetDto {
  /** The public keys of the ring, in its order; empty if its keys are secrets. */
  @ApiProperty({ type: 'array', items: { type: 'object', additionalProperties: true }, example: [JWK] })
  keys!: readonly object[];
}

/** The metadata of an authorization server (RFC 8414 section 2). */
export class ServerMetadataDto {
  @ApiProperty({ example: 'https://app.example' })
  issuer!: string;

  @ApiProperty({ example: 'https://app.example/oauth/token' })
  token_endpoint!: string;

  @ApiProperty({ example: 'https://app.example/oauth/revoke' })
  revocation_endpoint!: string;

  @ApiProperty({ example: 'https://app.example/oauth/introspect' })
  introspection_endpoint!: string;

  @ApiProperty({ example: 'https://app.example/.well-known/jwks.json' })
  jwks_uri!: string;

  @ApiProperty({ example: ['refresh_token'] })
  grant_types_supported!: readonly string[];

  /** None: sessions begin elsewhere. */
  @ApiProperty({ type: [String], example: [] })
  response_types_supported!: readonly string[];

  @ApiProperty({ example: ['none'] })
  token_endpoint_auth_methods_supported!: readonly string[];

  @ApiProperty({ example: ['none'] })
  revocation_endpoint_auth_methods_supported!: readonly string[];

  @ApiProperty({ example: ['client_secret_basic'] })
  introspection_endpoint_auth_methods_supported!: readonly string[];

  /** Of proofs (RFC 9449 section 5.1); absent if no session can be bound. */
  @ApiProperty({ example: ['ES256', 'EdDSA', 'RS256'], required: false })
  dpop_signing_alg_values_supported?: readonly string[];
}
