import type { TokenPair, TokenType } from '../application/token-pair.issuer';
import { ApiProperty } from './kit/openapi';

export class TokenPairDto implements Omit<TokenPair, 'refreshToken'> {
  /** A JWT (RFC 9068), for the `Authorization` header. */
  @ApiProperty({ example: 'eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.…' })
  accessToken!: string;

  /** Opaque, 96 characters. Every refresh returns a new one. Absent with cookie delivery. */
  @ApiProperty({ example: 'rt1_…', required: false })
  refreshToken?: string;

  /** `DPoP`: each use of the access token requires a proof (RFC 9449). */
  @ApiProperty({ example: 'Bearer', enum: ['Bearer', 'DPoP'] })
  tokenType!: TokenType;

  /** Seconds until the access token expires. */
  @ApiProperty({ example: 900 })
  expiresIn!: number;

  /** Seconds until the session expires unless it is refreshed. */
  @ApiProperty({ example: 604800 })
  refreshExpiresIn!: number;

  @ApiProperty({ format: 'uuid' })
  sessionId!: string;

  /** How many times the session was refreshed. */
  @ApiProperty({ example: 0 })
  generation!: number;
}
