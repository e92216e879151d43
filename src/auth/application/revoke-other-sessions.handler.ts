import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { SessionRevoked } from '../domain/events';
import { AuthEventLog } from '../ports/auth-event.log';
import { AuthEvents } from '../ports/auth-events';
import { Clock } from '../ports/clock';
import { SessionRepository } from '../ports/session.repository';
import { UnitOfWork } from '../ports/unit-of-work';
import { Attempt } from './attempt';
import { RevokeOtherSessionsCommand } from './revoke-other-sessions.command';

@CommandHandler(RevokeOtherSessionsCommand)
export class RevokeOtherSessionsHandler implements ICommandHandler<RevokeOtherSessionsCommand> {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly log: AuthEventLog,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ userId, currentSessionId, client }: RevokeOtherSessionsCommand): Promise<number> {
    const attempt = new Attempt(client, this.clock.now());
    return this.unitOfWork.run(async () => {
      await this.sessions.lockUser(userId); // first the user and then the sessions, as everywhere: so two never wait for each other
      const ended = await this.sessions.revokeSome({ userId, except: currentSessionId }, 'session_revoked');
      const record = ended.map(
        (sessionId) => new SessionRevoked(attempt.finding({ userId, sessionId }), 'session_revoked'),
      );
      if (record.length > 0) await this.log.append(record);
      this.events.dispatch(record);
      return ended.length;
    });
  }
}
