import { Command } from '@nestjs/cqrs';
import type { Result } from '../../domain/result';
import type { Client, Delivery } from '../../domain/session';
import type { TokenPair } from '../token-pair.issuer';

/** Opens a session for whoever knows the password. Every failure is the same answer after the same time (ASVS 5.0 6.3.8). */
export class LogInCommand extends Command<Result<TokenPair, 'invalid_credentials'>> {
  constructor(
    readonly login: string,
    readonly password: string,
    readonly client: Client = {},
    readonly delivery: Delivery = 'body',
  ) {
    super();
  }
}
