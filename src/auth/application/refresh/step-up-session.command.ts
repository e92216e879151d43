import { Command } from '@nestjs/cqrs';
import type { BoundCookieProof, DpopProof } from '../../domain/binding';
import type { RefreshRefusal } from '../../domain/refusals';
import type { Result } from '../../domain/result';
import type { Client, Delivery } from '../../domain/session';
import type { TokenPair } from '../token-pair.issuer';

/** What you have verified. It replaces what the session says of its earlier proof, as a whole. */
export interface Factor {
  /** How the user was verified, for the record: `totp`, `passkey`; at most 64 of `a-z 0-9 _ . : -`. */
  readonly method: string;
  /** How the user is authenticated now (RFC 8176), such as `['pwd', 'otp']`; without it, unknown. */
  readonly amr?: readonly string[] | undefined;
  /** The level that this is, as you name your levels: what `@RequireAuth({ acr })` compares with. */
  readonly acr?: string | undefined;
  /** Whose factor it is. The session of another user is refused as `token_invalid`, untouched. Give it if the token is from a request. */
  readonly userId?: string | undefined;
}

/**
 * A refresh of a session whose user has just proved who they are once more, by a factor that you have verified: the next pair,
 * whose `auth_time` is now (RFC 9470, ASVS 5.0 7.2.4). It refuses as a refresh does.
 */
export class StepUpSessionCommand extends Command<Result<TokenPair, RefreshRefusal>> {
  constructor(
    readonly refreshToken: string,
    readonly factor: Factor,
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
