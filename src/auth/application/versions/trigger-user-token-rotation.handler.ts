import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type AuthEvent, UserRotationAttempted, UserRotationFailed, UserRotationSucceeded } from '../../domain/events';
import { demand, reasonProblem, userIdProblem } from '../../domain/input-rules';
import { ok, refusal, type Result } from '../../domain/result';
import { AuthEvents } from '../../ports/auth-events';
import { Clock } from '../../ports/clock';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { actorId, refusedChangesOf } from '../actor';
import { Attempt } from '../attempt';
import { endingWithFaults } from '../faults';
import { HostUsers } from '../host-users';
import { RecordedChange } from '../recorded-change';
import { TriggerUserTokenRotationCommand, type UserRotation } from './trigger-user-token-rotation.command';

@CommandHandler(TriggerUserTokenRotationCommand)
export class TriggerUserTokenRotationHandler implements ICommandHandler<TriggerUserTokenRotationCommand> {
  constructor(
    private readonly users: HostUsers,
    private readonly policies: SecurityPolicyRepository,
    private readonly changes: RecordedChange,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({
    userId: given,
    reason,
    actor,
  }: TriggerUserTokenRotationCommand): Promise<Result<UserRotation, 'user_not_found'>> {
    demand({ userId: userIdProblem(given), reason: reasonProblem(reason) });
    const attempt = new Attempt(actor.client ?? {}, this.clock.now());
    const by = actorId(actor);
    const subject = { userId: given };
    const attempted = () => new UserRotationAttempted(attempt.beginning(subject), by, reason);
    const failed = (why: UserRotationFailed['reason']): AuthEvent[] => [
      attempted(),
      new UserRotationFailed(attempt.ending(subject), by, why),
    ];

    return endingWithFaults(
      this.events,
      async () => {
        const user = await this.users.findById(given);
        if (user === null) {
          await this.events.recordUpTo(refusedChangesOf(actor), failed('user_not_found'));
          return refusal('user_not_found');
        }
        const userId = (subject.userId = user.id); // the directory's spelling counts
        return this.changes.commit(async () => {
          const newVersion = await this.policies.raiseUserFloor(userId, reason, null);
          const previousVersion = newVersion - 1;
          return {
            value: ok({ userId, previousVersion, newVersion }),
            events: [attempted(), new UserRotationSucceeded(attempt.ending(subject), by, previousVersion, newVersion)],
          };
        });
      },
      failed,
    );
  }
}
