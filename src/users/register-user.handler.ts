import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { ok, passwordProblem, refusal, type Result } from '../index';
import { OpenAccount } from './open-account';
import { normaliseEmail } from './email';
import { type RegisteredUser, type RegistrationRefusal, RegisterUserCommand } from './register-user.command';

@CommandHandler(RegisterUserCommand)
export class RegisterUserHandler implements ICommandHandler<RegisterUserCommand> {
  constructor(private readonly openAccount: OpenAccount) {}

  async execute(command: RegisterUserCommand): Promise<Result<RegisteredUser, RegistrationRefusal>> {
    const email = normaliseEmail(command.email);
    if (email === null) return refusal({ kind: 'invalid', path: 'email', message: 'email must be an e-mail address' });
    const problem = passwordProblem(command.password);
    if (problem !== null) return refusal({ kind: 'invalid', path: 'password', message: `password ${problem}` });

    const displayName = command.displayName?.trim() || null;
    const account = { email, password: command.password, displayName, roles: ['user'] };
    const user = await this.openAccount.open(account, command.client);
    if (user === null) return refusal({ kind: 'email_taken' });
    return ok({ id: user.id, email: user.email, roles: user.roles, createdAt: user.createdAt });
  }
}
