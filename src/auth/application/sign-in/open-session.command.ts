import { Command } from '@nestjs/cqrs';
import type { DpopProof } from '../../domain/binding';
import type { Result } from '../../domain/result';
import type { Claims, Client, Delivery } from '../../domain/session';
import type { VerifiedUser } from '../../domain/verified-user';
import type { TokenPair } from '../token-pair.issuer';

/** `verified_user_invalid`: sealed elsewhere, changed, older than ten minutes, or used before. The record says which. */
export type OpeningRefusal = 'user_not_found' | 'user_inactive' | 'verified_user_invalid';

/** How the user was verified, and what the session has from its start. */
export interface SessionOpening {
  /** How the user was verified, for the record: `password`, `google`, `passkey`; at most 64 of `a-z 0-9 _ . : -`. */
  readonly method: string;
  readonly client: Client;
  /** Default: `body`. `TokenDelivery` puts the refresh token of a `cookie` session where it belongs. */
  readonly delivery?: Delivery | undefined;
  /** How the user was authenticated (RFC 8176), such as `['pwd', 'otp']`; of a sealed password by default `['pwd']`. */
  readonly amr?: readonly string[] | undefined;
  /** The level that this is, as you name your levels: what `@RequireAuth({ acr })` compares with. */
  readonly acr?: string | undefined;
  /** When the user was authenticated; by default when the password was verified, else now. A time in the future counts as now. */
  readonly authTime?: Date | undefined;
  /** Claims that follow the session into each access token, at most 2 KB of JSON. */
  readonly claims?: Claims | undefined;
  readonly deviceId?: string | undefined;
  readonly deviceName?: string | undefined;
  /** Binds the session to the key of the proof: `dpopProofOf(request)`. */
  readonly proof?: DpopProof | undefined;
}

/**
 * Opens a session for a user who has been verified. A text that begins with `vu1_` is a sealed user, from
 * `VerifyPasswordCommand` or `SealVerifiedUserQuery`. Any other text is the id of a user whom the host itself has verified, and opens a session without
 * further questions: take it from what you have verified, never from a request.
 * @throws ProofProblem before anything is read
 */
export class OpenSessionCommand extends Command<Result<TokenPair, OpeningRefusal>> {
  constructor(
    /** With a sealed user, whatever raised a floor since the proof refuses the session from the start. */
    readonly user: VerifiedUser | string,
    readonly opening: SessionOpening,
  ) {
    super();
  }
}
