import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import {
  type AuthEvent,
  GlobalRotationAttempted,
  GlobalRotationFailed,
  GlobalRotationSucceeded,
} from '../../domain/events';
import { cutOffModeProblem, demand, graceOfModeProblem, reasonProblem, versionProblem } from '../../domain/input-rules';
import { ok, refusal, type Result } from '../../domain/result';
import { AuthEvents } from '../../ports/auth-events';
import { Clock } from '../../ports/clock';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { SessionRepository } from '../../ports/session.repository';
import { actorId, refusedChangesOf } from '../actor';
import { Attempt } from '../attempt';
import { endingWithFaults } from '../faults';
import { RecordedChange } from '../recorded-change';
import { type GlobalRotation, TriggerGlobalTokenRotationCommand } from './trigger-global-token-rotation.command';

@CommandHandler(TriggerGlobalTokenRotationCommand)
export class TriggerGlobalTokenRotationHandler implements ICommandHandler<TriggerGlobalTokenRotationCommand> {
  constructor(
    private readonly policies: SecurityPolicyRepository,
    private readonly sessions: SessionRepository,
    private readonly changes: RecordedChange,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute(command: TriggerGlobalTokenRotationCommand): Promise<Result<GlobalRotation, 'version_mismatch'>> {
    const { actor, mode, reason, gracePeriodSeconds, expectedVersion } = command;
    demand({
      reason: reasonProblem(reason),
      mode: cutOffModeProblem(mode),
      gracePeriodSeconds: gracePeriodSeconds === null ? null : graceOfModeProblem(gracePeriodSeconds, mode),
      expectedVersion: expectedVersion === null ? null : versionProblem(expectedVersion),
      by: versionProblem(command.by),
    });
    const attempt = new Attempt(actor.client ?? {}, this.clock.now());
    const by = actorId(actor);
    const attempted = new GlobalRotationAttempted(attempt.beginning({}), by, mode, reason);
    const failed = (why: GlobalRotationFailed['reason']): AuthEvent[] => [
      attempted,
      new GlobalRotationFailed(attempt.ending({}), by, why),
    ];

    return endingWithFaults(
      this.events,
      async () => {
        const rotation = await this.changes.commit<GlobalRotation | null>(async () => {
          const policy = await this.policies.raiseGlobalFloor(command);
          if (policy === null) return { value: null, events: [] };
          const { globalMinTokenVersion: newVersion, graceEndsAt } = policy;
          const previousVersion = newVersion - command.by;
          const graceEnd = graceEndsAt?.toISOString() ?? null;
          const sessionsAffected = await this.sessions.estimate();
          return {
            value: { previousVersion, newVersion, mode, graceEndsAt, sessionsAffected },
            events: [
              attempted,
              new GlobalRotationSucceeded(attempt.ending({}), by, previousVersion, newVersion, mode, graceEnd),
            ],
          };
        });
        if (rotation === null) {
          await this.events.recordUpTo(refusedChangesOf(actor), failed('version_mismatch'));
          return refusal('version_mismatch');
        }
        // The rotation has committed: after a fault in the answer the caller would retry, and rotate twice.
        const counted = await this.sessions
          .countBelowGlobal(rotation.newVersion)
          .catch(() => rotation.sessionsAffected);
        return ok({ ...rotation, sessionsAffected: counted });
      },
      failed,
    );
  }
}
