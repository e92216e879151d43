import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { err, ok, type Result } from 'neverthrow';
import {
  type AuthEvent,
  GlobalRotationAttempted,
  GlobalRotationFailed,
  GlobalRotationSucceeded,
} from '../domain/events';
import { AuthEventLog } from '../ports/auth-event.log';
import { AuthEvents } from '../ports/auth-events';
import { Clock } from '../ports/clock';
import { SecurityPolicyRepository } from '../ports/security-policy.repository';
import { SessionRepository } from '../ports/session.repository';
import { UnitOfWork } from '../ports/unit-of-work';
import { Attempt } from './attempt';
import { endingWithFaults } from './faults';
import { type GlobalRotation, TriggerGlobalTokenRotationCommand } from './trigger-global-token-rotation.command';

@CommandHandler(TriggerGlobalTokenRotationCommand)
export class TriggerGlobalTokenRotationHandler implements ICommandHandler<TriggerGlobalTokenRotationCommand> {
  constructor(
    private readonly policies: SecurityPolicyRepository,
    private readonly sessions: SessionRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly log: AuthEventLog,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute(command: TriggerGlobalTokenRotationCommand): Promise<Result<GlobalRotation, 'version_mismatch'>> {
    const { actor, mode, reason } = command;
    const attempt = new Attempt(actor.client ?? {}, this.clock.now());
    const by = actor.userId ?? null;
    const attempted = new GlobalRotationAttempted(attempt.beginning({}), by, mode, reason);
    const failed = (why: GlobalRotationFailed['reason']): AuthEvent[] => [
      attempted,
      new GlobalRotationFailed(attempt.ending({}), by, why),
    ];

    return endingWithFaults(
      this.events,
      async () => {
        const rotation = await this.unitOfWork.run(async () => {
          const policy = await this.policies.raiseGlobalFloor(command);
          if (policy === null) return null;
          const { globalMinTokenVersion: newVersion, graceEndsAt } = policy;
          const previousVersion = newVersion - command.by;
          const graceEnd = graceEndsAt?.toISOString() ?? null;
          const record = [
            attempted,
            new GlobalRotationSucceeded(attempt.ending({}), by, previousVersion, newVersion, mode, graceEnd),
          ];
          await this.log.append(record);
          this.events.dispatch(record);
          return { previousVersion, newVersion, mode, graceEndsAt, sessionsAffected: await this.sessions.estimate() };
        });
        if (rotation === null) {
          await this.events.record(failed('version_mismatch'));
          return err('version_mismatch');
        }
        // It has happened: a fault in the answer would be asked for again, and rotate twice.
        const counted = await this.sessions
          .countBelowGlobal(rotation.newVersion)
          .catch(() => rotation.sessionsAffected);
        return ok({ ...rotation, sessionsAffected: counted });
      },
      failed,
    );
  }
}
