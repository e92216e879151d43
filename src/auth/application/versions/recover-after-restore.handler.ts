import { CommandBus, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { AllSessionsRevoked } from '../../domain/events';
import { Clock } from '../../ports/clock';
import { SessionRepository } from '../../ports/session.repository';
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

  async execute({ actor }: RecoverAfterRestoreCommand): Promise<Recovery> {
    return this.changes.commit(async () => {
      const rotation = await this.commands.execute(
        new TriggerGlobalTokenRotationCommand('after a restore', 'immediate', null, null, actor, LEAP),
      );
      if (!rotation.ok) throw new Error(`A rotation from any version was refused: ${rotation.reason}`);
      const { previousVersion, newVersion } = rotation.value;
      const revokedSessions = await this.sessions.revokeAll('admin_action');
      const attempt = new Attempt(actor.client ?? {}, this.clock.now());
      const by = actor.userId ?? null;
      return {
        value: { previousVersion, newVersion, revokedSessions },
        events: [new AllSessionsRevoked(attempt.ending({}), 'admin_action', revokedSessions, by)],
      };
    });
  }
}
