import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { SessionRenamed } from '../../domain/events';
import { demand, deviceNameProblem, idProblem, userIdProblem } from '../../domain/input-rules';
import { Clock } from '../../ports/clock';
import { RateLimits } from '../../ports/rate-limits';
import { SessionRepository } from '../../ports/session.repository';
import { Attempt } from '../attempt';
import { HostUsers } from '../host-users';
import { RecordedChange } from '../recorded-change';
import { RenameSessionCommand } from './rename-session.command';

@CommandHandler(RenameSessionCommand)
export class RenameSessionHandler implements ICommandHandler<RenameSessionCommand> {
  constructor(
    private readonly users: HostUsers,
    private readonly sessions: SessionRepository,
    private readonly changes: RecordedChange,
    private readonly clock: Clock,
    private readonly limits: RateLimits,
  ) {}

  async execute({ sessionId, of, deviceName, client }: RenameSessionCommand): Promise<boolean> {
    demand({
      sessionId: idProblem(sessionId),
      of: userIdProblem(of),
      deviceName: deviceNameProblem(deviceName),
    });
    // Every name is a record.
    await this.limits.take('listPerUser', of);
    const session = await this.sessions.findById(sessionId);
    if (session === null) return false;
    if (session.userId !== of && session.userId !== (await this.users.spellingOf(of))) return false;
    const attempt = new Attempt(client, this.clock.now());
    return this.changes.commit(async () => {
      const renamed = await this.sessions.rename(sessionId, deviceName);
      const isNews = renamed && session.deviceName !== deviceName;
      const subject = { userId: session.userId, sessionId };
      return { value: renamed, events: isNews ? [new SessionRenamed(attempt.ending(subject), deviceName)] : [] };
    });
  }
}
