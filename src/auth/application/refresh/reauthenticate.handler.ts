import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { controlProblem, demand } from '../../domain/input-rules';
import type { Result } from '../../domain/result';
import { Clock } from '../../ports/clock';
import { PasswordHasher } from '../../ports/password-hasher';
import type { UserWithPassword } from '../../ports/user-directory';
import { Attempt } from '../attempt';
import { HostUsers } from '../host-users';
import { PASSWORD, PASSWORD_AMR, PasswordCheck } from '../password-check';
import type { TokenPair } from '../token-pair.issuer';
import { ReauthenticateCommand, type ReauthenticationRefusal } from './reauthenticate.command';
import { RefreshAccessTokenHandler } from './refresh-access-token.handler';
import { StepUp } from './step-up';

const WRONG: ReauthenticationRefusal = { kind: 'invalid_credentials' };
/** The password alone, whatever had proved the user before. */
const PROVEN = { method: PASSWORD, amr: PASSWORD_AMR, acr: null };

@CommandHandler(ReauthenticateCommand)
export class ReauthenticateHandler implements ICommandHandler<ReauthenticateCommand> {
  constructor(
    private readonly refresh: RefreshAccessTokenHandler,
    private readonly passwords: PasswordCheck,
    private readonly users: HostUsers,
    private readonly hasher: PasswordHasher,
    private readonly clock: Clock,
  ) {}

  async execute(command: ReauthenticateCommand): Promise<Result<TokenPair, ReauthenticationRefusal>> {
    const { password, client } = command;
    demand({ password: controlProblem(password) });
    const attempt = new Attempt(client, this.clock.now());
    let proven: { readonly login: string; readonly account: UserWithPassword } | undefined;
    const stepUp = new StepUp<ReauthenticationRefusal>(attempt, async ({ decision: { user } }) => {
      const { id, email: login } = user;
      await this.passwords.count(login, attempt.network);
      const found = await this.users.findByIdWithPassword(id);
      const account = found?.id === id ? found : null;
      const matches = await this.hasher.verify(password, account?.passwordHash ?? null);
      if (account === null) return { reason: 'user_not_found', refusal: WRONG };
      if (!matches) return { reason: 'wrong_password', refusal: WRONG };
      proven = { login, account };
      return PROVEN;
    });
    const answer = await this.refresh.execute(command, stepUp);
    if (answer.ok && proven !== undefined)
      await this.passwords.settle(proven.login, attempt.network, proven.account, password);
    return answer;
  }
}
