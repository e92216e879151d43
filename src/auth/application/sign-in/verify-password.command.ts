import { Command } from '@nestjs/cqrs';
import type { Result } from '../../domain/result';
import type { Client } from '../../domain/session';
import type { VerifiedUser } from '../../domain/verified-user';

/**
 * Verifies a password and opens no session: for a sign-in with a second factor. Limits, records and times are those of
 * `LogInCommand`. `OpenSessionCommand` opens the session, within ten minutes and once.
 */
export class VerifyPasswordCommand extends Command<Result<VerifiedUser, 'invalid_credentials'>> {
  constructor(
    readonly login: string,
    readonly password: string,
    readonly client: Client = {},
  ) {
    super();
  }
}
