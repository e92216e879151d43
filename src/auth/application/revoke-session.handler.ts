import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { SessionRevoked } from '../domain/events';
import { AuthEventLog } from '../ports/auth-event.log';
import { AuthEvents } from '../ports/auth-events';
import { Clock } from '../ports/clock';
import { SessionRepository } from '../ports/session.repository';
import { UnitOfWork } from '../ports/unit-of-work';
import { Attempt } from './attempt';
import { RevokeSessionCommand } from './revoke-session.command';

@CommandHandler(RevokeSessionCommand)
export class RevokeSessionHandler implements ICommandHandler<RevokeSessionCommand> {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly log: AuthEventLog,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ userId, sessionId, client }: RevokeSessionCommand): Promise<boolean> {
    const attempt = new Attempt(client, this.clock.now());
    return this.unitOfWork.run(async () => {
      const session = await this.sessions.findById(sessionId);
      if (session?.userId !== userId) return false;
      if (!(await this.sessions.revoke(sessionId, 'session_revoked'))) return true;
      const record = [new SessionRevoked(attempt.ending({ userId, sessionId }), 'session_revoked')];
      await this.log.append(record);
      this.events.dispatch(record);
      return true;
    });
  }
}
