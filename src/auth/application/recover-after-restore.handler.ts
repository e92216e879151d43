import { CommandBus, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { AllSessionsRevoked } from '../domain/events';
import { AuthEventLog } from '../ports/auth-event.log';
import { AuthEvents } from '../ports/auth-events';
import { Clock } from '../ports/clock';
import { SessionRepository } from '../ports/session.repository';
import { UnitOfWork } from '../ports/unit-of-work';
import { Attempt } from './attempt';
import { type Recovery, RecoverAfterRestoreCommand } from './recover-after-restore.command';
import { TriggerGlobalTokenRotationCommand } from './trigger-global-token-rotation.command';

/** More than anyone rotates between a backup and its restore. */
const LEAP = 1000;

@CommandHandler(RecoverAfterRestoreCommand)
export class RecoverAfterRestoreHandler implements ICommandHandler<RecoverAfterRestoreCommand> {
  constructor(
    private readonly commands: CommandBus,
    private readonly sessions: SessionRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly log: AuthEventLog,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ actor }: RecoverAfterRestoreCommand): Promise<Recovery> {
    return this.unitOfWork.run(async () => {
      const rotation = await this.commands.execute(
        new TriggerGlobalTokenRotationCommand('after a restore', 'immediate', null, null, actor, LEAP),
      );
      const { previousVersion, newVersion } = rotation._unsafeUnwrap();
      const revokedSessions = await this.sessions.revokeAll('admin_action');
      const attempt = new Attempt(actor.client ?? {}, this.clock.now());
      const record = [
        new AllSessionsRevoked(attempt.ending({}), 'admin_action', revokedSessions, actor.userId ?? null),
      ];
      await this.log.append(record);
      this.events.dispatch(record);
      return { previousVersion, newVersion, revokedSessions };
    });
  }
}
