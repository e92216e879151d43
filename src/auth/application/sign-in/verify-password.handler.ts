import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { v7 as uuidv7 } from 'uuid';
import { stampsOf } from '../../../guard/versions';
import { LoginAttempted, PasswordVerified } from '../../domain/events';
import type { Result } from '../../domain/result';
import { type VerifiedUser, VerifiedUserSeal } from '../../domain/verified-user';
import { AuthEvents } from '../../ports/auth-events';
import { PASSWORD } from '../password-check';
import { PasswordProof } from './password-proof';
import { VerifyPasswordCommand } from './verify-password.command';

@CommandHandler(VerifyPasswordCommand)
export class VerifyPasswordHandler implements ICommandHandler<VerifyPasswordCommand> {
  constructor(
    private readonly passwords: PasswordProof,
    private readonly seal: VerifiedUserSeal,
    private readonly events: AuthEvents,
  ) {}

  async execute(command: VerifyPasswordCommand): Promise<Result<VerifiedUser, 'invalid_credentials'>> {
    return this.passwords.attempt(command, 'password_verified', async ({ account, floors, authTime }, attempt) => {
      await this.events.record([
        new LoginAttempted(attempt.beginning({ userId: account.id })),
        new PasswordVerified(attempt.ending({ userId: account.id })),
      ]);
      const proof = { userId: account.id, method: PASSWORD, stamps: stampsOf(floors), authTime };
      return this.seal.seal({ ...proof, sessionId: uuidv7() });
    });
  }
}
