import { Command } from '@nestjs/cqrs';
import type { BoundCookieProof, DpopProof } from '../../domain/binding';
import type { RefreshRefusal } from '../../domain/refusals';
import type { Result } from '../../domain/result';
import type { Client, Delivery } from '../../domain/session';
import type { TokenPair } from '../token-pair.issuer';

/** `invalid_credentials`: the password is wrong. Nothing was refreshed, and the token and its key stay valid. */
export type ReauthenticationRefusal = RefreshRefusal | { readonly kind: 'invalid_credentials' };

/**
 * A refresh that also proves the password: the next pair, whose `auth_time` is now and whose `amr` is `['pwd']`, without a level
 * (ASVS 5.0 7.2.4, RFC 9470). The refresh is decided first. A wrong password counts like one of a login.
 */
export class ReauthenticateCommand extends Command<Result<TokenPair, ReauthenticationRefusal>> {
  constructor(
    readonly refreshToken: string,
    readonly password: string,
    readonly client: Client = {},
    /** The `Idempotency-Key`: 22 to 128 characters of base64url. */
    readonly retryKey?: string,
    readonly delivery: Delivery = 'body',
    /** Required of a bound session. */
    readonly proof?: DpopProof | BoundCookieProof,
  ) {
    super();
  }
}
