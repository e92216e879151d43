import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { SecurityPolicyChanged } from '../domain/events';
import type { SecurityPolicy } from '../domain/versions';
import { AuthEventLog } from '../ports/auth-event.log';
import { AuthEvents } from '../ports/auth-events';
import { Clock } from '../ports/clock';
import { SecurityPolicyRepository } from '../ports/security-policy.repository';
import { UnitOfWork } from '../ports/unit-of-work';
import { Attempt } from './attempt';
import { UpdateGracePeriodCommand } from './update-grace-period.command';

@CommandHandler(UpdateGracePeriodCommand)
export class UpdateGracePeriodHandler implements ICommandHandler<UpdateGracePeriodCommand> {
  constructor(
    private readonly policies: SecurityPolicyRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly log: AuthEventLog,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ gracePeriodSeconds, actor }: UpdateGracePeriodCommand): Promise<SecurityPolicy> {
    const attempt = new Attempt(actor.client ?? {}, this.clock.now());
    return this.unitOfWork.run(async () => {
      const { previousSeconds, policy } = await this.policies.setGracePeriod(gracePeriodSeconds);
      const record = [
        new SecurityPolicyChanged(attempt.ending({}), actor.userId ?? null, previousSeconds, gracePeriodSeconds),
      ];
      await this.log.append(record);
      this.events.dispatch(record);
      return policy;
    });
  }
}
