import { CommandBus, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { AllSessionsRevoked } from '../../domain/events';
import { Clock } from '../../ports/clock';
import { SessionRepository } from '../../ports/session.repository';
import { actorId } from '../actor';
import { Attempt } from '../attempt';
import { RecordedChange } from '../recorded-change';
import { type Recovery, RecoverAfterRestoreCommand } from './recover-after-restore.command';
import { TriggerGlobalTokenRotationCommand } from './trigger-global-token-rotation.command';

/** More rotations than can happen between a backup and its restore. */
const LEAP = 1000;

@CommandHandler(RecoverAfterRestoreCommand)
export class RecoverAfterRestoreHandler implements ICommandHandler<RecoverAfterRestoreCommand> {
  constructor(
    private readonly commands: CommandBus,
    private readonly sessions: SessionRepository,
    private readonly changes: RecordedChange,
    private readonly clock: Clock,
  ) {}

  /**
   * The leap and the record of the end commit first: from then on every token is refused. Marking the rows may take minutes,
   * and continues with the next run if it is interrupted.
   */
  async execute({ actor }: RecoverAfterRestoreCommand): Promise<Recovery> {
    const { previousVersion, newVersion } = await this.changes.commit(async () => {
      const rotation = await this.commands.execute(
        new TriggerGlobalTokenRotationCommand('after a restore', 'immediate', null, null, actor, LEAP),
      );
      if (!rotation.ok) throw new Error(`A rotation from any version was refused: ${rotation.reason}`);
      const { sessionsAffected } = rotation.value;
      const attempt = new Attempt(actor.client ?? {}, this.clock.now());
      const by = actorId(actor);
      return {
        value: rotation.value,
        events: [new AllSessionsRevoked(attempt.ending({}), 'admin_action', sessionsAffected, by)],
      };
    });
    const revokedSessions = await this.sessions.revokeBelowGlobal(newVersion, 'admin_action');
    return { previousVersion, newVersion, revokedSessions };
  }
}
