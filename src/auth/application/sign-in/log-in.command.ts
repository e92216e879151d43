import { Command } from '@nestjs/cqrs';
import type { DpopProof } from '../../domain/binding';
import type { Result } from '../../domain/result';
import type { Client, Delivery } from '../../domain/session';
import type { TokenPair } from '../token-pair.issuer';

/**
 * Opens a session for a caller who knows the password. Every failure returns the same reason after the same time (ASVS 5.0 6.3.8).
 * @throws ProofProblem before anything is counted or verified
 */
export class LogInCommand extends Command<Result<TokenPair, 'invalid_credentials'>> {
  constructor(
    readonly login: string,
    readonly password: string,
    readonly client: Client = {},
    readonly delivery: Delivery = 'body',
    /** Binds the session to the key of the proof. */
    readonly proof?: DpopProof,
  ) {
    super();
  }
}
