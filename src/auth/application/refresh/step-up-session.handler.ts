import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { acrProblem, amrProblem, demand, methodProblem, userIdProblem } from '../../domain/input-rules';
import type { RefreshRefusal } from '../../domain/refusals';
import type { Result } from '../../domain/result';
import { Clock } from '../../ports/clock';
import { Attempt } from '../attempt';
import { HostUsers } from '../host-users';
import type { TokenPair } from '../token-pair.issuer';
import { RefreshAccessTokenHandler } from './refresh-access-token.handler';
import { StepUp } from './step-up';
import { StepUpSessionCommand } from './step-up-session.command';

const OTHER_USER: RefreshRefusal = { kind: 'refused', reason: 'token_invalid' };

@CommandHandler(StepUpSessionCommand)
export class StepUpSessionHandler implements ICommandHandler<StepUpSessionCommand> {
  constructor(
    private readonly refresh: RefreshAccessTokenHandler,
    private readonly users: HostUsers,
    private readonly clock: Clock,
  ) {}

  async execute(command: StepUpSessionCommand): Promise<Result<TokenPair, RefreshRefusal>> {
    const { method, amr, acr, userId } = command.factor;
    demand({
      method: methodProblem(method),
      amr: amr === undefined ? null : amrProblem(amr),
      acr: acr === undefined ? null : acrProblem(acr),
      userId: userId === undefined ? null : userIdProblem(userId),
    });
    const attempt = new Attempt(command.client, this.clock.now());
    const stepUp = new StepUp<RefreshRefusal>(attempt, async ({ decision: { user } }) => {
      // A factor of one user must not step up a session of another, whose token somebody has copied.
      if (userId !== undefined && (await this.users.spellingOf(userId)) !== user.id)
        return { reason: 'other_user', refusal: OTHER_USER };
      return { method, amr: amr ?? null, acr: acr ?? null };
    });
    return this.refresh.execute(command, stepUp);
  }
}
