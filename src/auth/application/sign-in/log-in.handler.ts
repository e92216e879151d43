import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { stampsOf } from '../../../guard/versions';
import { demandClaims, MAX_USER_CLAIMS } from '../../domain/claims';
import type { Result } from '../../domain/result';
import { DpopProofs } from '../dpop-proofs';
import { PASSWORD, PASSWORD_AMR } from '../password-check';
import { RecordedChange } from '../recorded-change';
import type { TokenPair } from '../token-pair.issuer';
import { LogInCommand } from './log-in.command';
import { recordOfSuccess } from './login-record';
import { OpenSession } from './open-session';
import { PasswordProof } from './password-proof';

/** A verified password, and at once its session. */
@CommandHandler(LogInCommand)
export class LogInHandler implements ICommandHandler<LogInCommand> {
  constructor(
    private readonly proofs: DpopProofs,
    private readonly passwords: PasswordProof,
    private readonly openSession: OpenSession,
    private readonly changes: RecordedChange,
  ) {}

  async execute(command: LogInCommand): Promise<Result<TokenPair, 'invalid_credentials'>> {
    const binding = await this.proofs.bindingBy(command.proof, command.delivery);
    return this.passwords.attempt(command, 'succeeded', ({ account: user, floors, authTime }, attempt) => {
      demandClaims('user.claims', user.claims, MAX_USER_CLAIMS);
      const proof = { authTime, amr: PASSWORD_AMR, acr: null, claims: null };
      return this.changes.commit(async () => {
        const device = attempt.client;
        const { delivery } = command;
        const opening = { user, floors, stamps: stampsOf(floors), delivery, device, proof, binding };
        const opened = await this.openSession.open(opening, attempt);
        return { value: opened.pair, events: recordOfSuccess(attempt, opened, PASSWORD) };
      });
    });
  }
}
