import { Command } from '@nestjs/cqrs';
import type { DbscProof, DpopProof } from '../../domain/binding';
import type { RefreshRefusal } from '../../domain/refusals';
import type { Result } from '../../domain/result';
import type { Client, Delivery } from '../../domain/session';
import type { TokenPair } from '../token-pair.issuer';

/**
 * Exchanges a refresh token for its successor and a fresh access token (RFC 6749 section 6, RFC 9700 section 4.14.2).
 * @throws ProofProblem for a `proof` that is malformed, lacks a nonce of this server, or was used before
 */
export class RefreshAccessTokenCommand extends Command<Result<TokenPair, RefreshRefusal>> {
  constructor(
    readonly refreshToken: string,
    readonly client: Client = {},
    /** The `Idempotency-Key`: 22 to 128 characters of base64url. */
    readonly retryKey?: string,
    readonly delivery: Delivery = 'body',
    /** Required of a bound session. */
    readonly proof?: DpopProof | DbscProof,
  ) {
    super();
  }
}
