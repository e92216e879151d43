import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type AuthEvent, LogoutAttempted, LogoutFailed, LogoutSucceeded, SessionRevoked } from '../../domain/events';
import { AuthEvents } from '../../ports/auth-events';
import { Clock } from '../../ports/clock';
import { SessionRepository } from '../../ports/session.repository';
import { Attempt, type Subject } from '../attempt';
import { endingWithFaults } from '../faults';
import { RecordedChange } from '../recorded-change';
import { LogOutCommand } from './log-out.command';
import { SessionCredentials } from './session-credentials';

@CommandHandler(LogOutCommand)
export class LogOutHandler implements ICommandHandler<LogOutCommand> {
  constructor(
    private readonly credentials: SessionCredentials,
    private readonly changes: RecordedChange,
    private readonly sessions: SessionRepository,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ token, client }: LogOutCommand): Promise<number> {
    const attempt = new Attempt(client, this.clock.now());
    const sessionId = this.credentials.sessionOf(token);
    if (sessionId === null) {
      this.events.recordJunk([
        new LogoutAttempted(attempt.beginning({})),
        new LogoutFailed(attempt.ending({}), 'token_invalid'),
      ]);
      return 0;
    }
    return endingWithFaults(
      this.events,
      () => this.logOut(sessionId, attempt),
      (reason) => [
        new LogoutAttempted(attempt.beginning({ sessionId })),
        new LogoutFailed(attempt.ending({ sessionId }), reason),
      ],
    );
  }

  private async logOut(sessionId: string, attempt: Attempt): Promise<number> {
    return this.changes.commit(async () => {
      const session = await this.sessions.findById(sessionId);
      const subject = { sessionId, userId: session?.userId ?? null };
      const ended = await this.sessions.revoke(sessionId, 'user_logout');
      return { value: ended ? 1 : 0, events: recordOf(attempt, subject, ended) };
    });
  }
}

const recordOf = (attempt: Attempt, subject: Subject, ended: boolean): AuthEvent[] => [
  new LogoutAttempted(attempt.beginning(subject)),
  ...(ended ? [new SessionRevoked(attempt.finding(subject), 'user_logout')] : []),
  new LogoutSucceeded(attempt.ending(subject), ended ? 1 : 0),
];
