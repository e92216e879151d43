import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type AuthEvent, LogoutAttempted, LogoutFailed, LogoutSucceeded, SessionRevoked } from '../domain/events';
import { RefreshTokenKeyRing } from '../domain/refresh-token';
import { AccessTokenSigner } from '../ports/access-token.signer';
import { AuthEventLog } from '../ports/auth-event.log';
import { AuthEvents } from '../ports/auth-events';
import { Clock } from '../ports/clock';
import { SessionRepository } from '../ports/session.repository';
import { UnitOfWork } from '../ports/unit-of-work';
import { Attempt, type Subject } from './attempt';
import { endingWithFaults } from './faults';
import { LogOutCommand, type LogOutToken } from './log-out.command';

@CommandHandler(LogOutCommand)
export class LogOutHandler implements ICommandHandler<LogOutCommand> {
  constructor(
    private readonly keys: RefreshTokenKeyRing,
    private readonly accessTokens: AccessTokenSigner,
    private readonly unitOfWork: UnitOfWork,
    private readonly sessions: SessionRepository,
    private readonly log: AuthEventLog,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ token, client }: LogOutCommand): Promise<number> {
    const attempt = new Attempt(client, this.clock.now());
    const sessionId = this.sessionOf(token);
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
    const { ended, record } = await this.unitOfWork.run(async () => {
      const session = await this.sessions.findById(sessionId);
      const subject = { sessionId, userId: session?.userId ?? null };
      const ended = await this.sessions.revoke(sessionId, 'user_logout');
      const record = recordOf(attempt, subject, ended);
      await this.log.append(record);
      return { ended, record };
    });
    this.events.dispatch(record);
    return ended ? 1 : 0;
  }

  private sessionOf(token: LogOutToken): string | null {
    return 'refreshToken' in token
      ? (this.keys.open(token.refreshToken)?.sessionId ?? null)
      : (this.accessTokens.verify(token.accessToken)?.sid ?? null);
  }
}

const recordOf = (attempt: Attempt, subject: Subject, ended: boolean): AuthEvent[] => [
  new LogoutAttempted(attempt.beginning(subject)),
  ...(ended ? [new SessionRevoked(attempt.finding(subject), 'user_logout')] : []),
  new LogoutSucceeded(attempt.ending(subject), ended ? 1 : 0),
];
