import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { RecoveryAttempted, RecoveryFailed, RecoverySucceeded } from '../../domain/events';
import { demand, reasonProblem, recoveryProblem } from '../../domain/input-rules';
import { AuthEvents } from '../../ports/auth-events';
import { Clock } from '../../ports/clock';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { actorId } from '../actor';
import { Attempt } from '../attempt';
import { endingWithFaults } from '../faults';
import { RecordedChange } from '../recorded-change';
import { RecoverAfterFailoverCommand, type RecoveryEpoch } from './recover-after-failover.command';

@CommandHandler(RecoverAfterFailoverCommand)
export class RecoverAfterFailoverHandler implements ICommandHandler<RecoverAfterFailoverCommand> {
  constructor(
    private readonly policies: SecurityPolicyRepository,
    private readonly changes: RecordedChange,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ reason, forSeconds, actor }: RecoverAfterFailoverCommand): Promise<RecoveryEpoch> {
    demand({ reason: reasonProblem(reason), forSeconds: recoveryProblem(forSeconds) });
    const attempt = new Attempt(actor.client ?? {}, this.clock.now());
    const by = actorId(actor);
    const attempted = new RecoveryAttempted(attempt.beginning({}), by, forSeconds, reason);
    return endingWithFaults(
      this.events,
      () =>
        this.changes.commit(async () => {
          const { previousUntil, recoveryUntil } = await this.policies.moveRecovery(forSeconds);
          const before = previousUntil?.toISOString() ?? null;
          const until = recoveryUntil?.toISOString() ?? null;
          const value = { recoveryUntil };
          if (until === null || until === before) return { value, events: [] };
          return { value, events: [attempted, new RecoverySucceeded(attempt.ending({}), by, before, until)] };
        }),
      (why) => [attempted, new RecoveryFailed(attempt.ending({}), by, why)],
    );
  }
}
