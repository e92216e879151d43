import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { SecurityPolicy } from '../../../guard/versions';
import { SecurityPolicyChanged } from '../../domain/events';
import { demand, graceProblem } from '../../domain/input-rules';
import { Clock } from '../../ports/clock';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { actorId } from '../actor';
import { Attempt } from '../attempt';
import { RecordedChange } from '../recorded-change';
import { UpdateGracePeriodCommand } from './update-grace-period.command';

@CommandHandler(UpdateGracePeriodCommand)
export class UpdateGracePeriodHandler implements ICommandHandler<UpdateGracePeriodCommand> {
  constructor(
    private readonly policies: SecurityPolicyRepository,
    private readonly changes: RecordedChange,
    private readonly clock: Clock,
  ) {}

  async execute({ gracePeriodSeconds, actor }: UpdateGracePeriodCommand): Promise<SecurityPolicy> {
    demand({ gracePeriodSeconds: graceProblem(gracePeriodSeconds) });
    const by = actorId(actor);
    const { policy: current } = await this.policies.read();
    if (current.gracePeriodSeconds === gracePeriodSeconds) return current;
    const attempt = new Attempt(actor.client ?? {}, this.clock.now());
    return this.changes.commit(async () => {
      const { previousSeconds, policy } = await this.policies.setGracePeriod(gracePeriodSeconds);
      return {
        value: policy,
        events: [new SecurityPolicyChanged(attempt.ending({}), by, previousSeconds, gracePeriodSeconds)],
      };
    });
  }
}
