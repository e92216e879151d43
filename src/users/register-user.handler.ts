import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { loginSpelling, ok, passwordProblem, refusal, type Result } from '../index';
import { displayNameProblem, emailProblem } from './input-rules';
import { OpenAccount } from './open-account';
import { type RegisteredUser, type RegistrationRefusal, RegisterUserCommand } from './register-user.command';

@CommandHandler(RegisterUserCommand)
export class RegisterUserHandler implements ICommandHandler<RegisterUserCommand> {
  constructor(private readonly openAccount: OpenAccount) {}

  async execute(command: RegisterUserCommand): Promise<Result<RegisteredUser, RegistrationRefusal>> {
    const problems = {
      email: emailProblem(command.email),
      password: passwordProblem(command.password),
      displayName: command.displayName === undefined ? null : displayNameProblem(command.displayName),
    };
    for (const path of ['email', 'password', 'displayName'] as const) {
      const problem = problems[path];
      if (problem !== null) return refusal({ kind: 'invalid', path, message: `${path} ${problem}` });
    }
    const displayName = command.displayName?.trim() || null;
    const account = { email: loginSpelling(command.email), password: command.password, displayName, roles: ['user'] };
    const user = await this.openAccount.open(account, command.client);
    if (user === null) return refusal({ kind: 'email_taken' });
    return ok({ id: user.id, email: user.email, roles: user.roles, createdAt: user.createdAt });
  }
}
