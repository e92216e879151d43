import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { SessionRevoked } from '../../domain/events';
import { demand, idProblem, userIdProblem } from '../../domain/input-rules';
import { Clock } from '../../ports/clock';
import { SessionRepository } from '../../ports/session.repository';
import { Attempt } from '../attempt';
import { RecordedChange } from '../recorded-change';
import { RevokeOtherSessionsCommand } from './revoke-other-sessions.command';

@CommandHandler(RevokeOtherSessionsCommand)
export class RevokeOtherSessionsHandler implements ICommandHandler<RevokeOtherSessionsCommand> {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly changes: RecordedChange,
    private readonly clock: Clock,
  ) {}

  async execute({ userId, currentSessionId, client }: RevokeOtherSessionsCommand): Promise<number> {
    demand({ userId: userIdProblem(userId), currentSessionId: idProblem(currentSessionId) });
    const attempt = new Attempt(client, this.clock.now());
    return this.changes.commit(async () => {
      await this.sessions.lockUser(userId); // first the user and then the sessions, as everywhere: so two never wait for each other
      const ended = await this.sessions.revokeSome({ userId, except: currentSessionId }, 'session_revoked');
      const events = ended.map(
        (sessionId) => new SessionRevoked(attempt.finding({ userId, sessionId }), 'session_revoked'),
      );
      return { value: ended.length, events };
    });
  }
}
