import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type AuthEvent, LogoutAttempted, LogoutFailed, LogoutSucceeded, SessionRevoked } from '../../domain/events';
import { AuthEvents } from '../../ports/auth-events';
import { Clock } from '../../ports/clock';
import { SessionRepository } from '../../ports/session.repository';
import { Attempt, type Subject } from '../attempt';
import { endingWithFaults } from '../faults';
import { RecordedChange } from '../recorded-change';
import { LogOutLimits } from './log-out-limits';
import { LogOutCommand } from './log-out.command';
import { SessionCredentials } from './session-credentials';

@CommandHandler(LogOutCommand)
export class LogOutHandler implements ICommandHandler<LogOutCommand> {
  constructor(
    private readonly credentials: SessionCredentials,
    private readonly changes: RecordedChange,
    private readonly sessions: SessionRepository,
    private readonly limits: LogOutLimits,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ token, client }: LogOutCommand): Promise<number> {
    const attempt = new Attempt(client, this.clock.now());
    const sessionId = await this.credentials.sessionOf(token);
    return endingWithFaults(
      this.events,
      () => (sessionId === null ? this.refuse(attempt) : this.logOut(sessionId, attempt)),
      (reason) => recordOfFailure(attempt, { sessionId }, reason),
    );
  }

  private async logOut(sessionId: string, attempt: Attempt): Promise<number> {
    const session = await this.sessions.findById(sessionId);
    const subject = { sessionId, userId: session?.userId ?? null };
    const ended = await this.changes.commit(async () => {
      const ended = await this.sessions.revoke(sessionId, 'user_logout');
      return { value: ended, events: ended ? recordOf(attempt, subject, ended) : [] };
    });
    if (ended) return 1;
    await this.limits.take(sessionId, attempt);
    await this.events.record(recordOf(attempt, subject, ended));
    return 0;
  }

  private async refuse(attempt: Attempt): Promise<number> {
    await this.limits.take(null, attempt);
    this.events.recordJunk(recordOfFailure(attempt, {}, 'token_invalid'));
    return 0;
  }
}

const recordOf = (attempt: Attempt, subject: Subject, ended: boolean): AuthEvent[] => [
  new LogoutAttempted(attempt.beginning(subject)),
  ...(ended ? [new SessionRevoked(attempt.finding(subject), 'user_logout')] : []),
  new LogoutSucceeded(attempt.ending(subject), ended ? 1 : 0),
];

const recordOfFailure = (attempt: Attempt, subject: Subject, reason: LogoutFailed['reason']): AuthEvent[] => [
  new LogoutAttempted(attempt.beginning(subject)),
  new LogoutFailed(attempt.ending(subject), reason),
];
