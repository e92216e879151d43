import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { LogoutAttempted, LogoutFailed, LogoutSucceeded } from '../domain/events';
import { AuthEventLog } from '../ports/auth-event.log';
import { AuthEvents } from '../ports/auth-events';
import { Clock } from '../ports/clock';
import { UnitOfWork } from '../ports/unit-of-work';
import { Attempt } from './attempt';
import { endingWithFaults } from './faults';
import { LogOutEverywhereCommand } from './log-out-everywhere.command';
import { UserRevocation } from './user-revocation';

@CommandHandler(LogOutEverywhereCommand)
export class LogOutEverywhereHandler implements ICommandHandler<LogOutEverywhereCommand> {
  constructor(
    private readonly revocation: UserRevocation,
    private readonly unitOfWork: UnitOfWork,
    private readonly log: AuthEventLog,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ userId, client }: LogOutEverywhereCommand): Promise<number> {
    const attempt = new Attempt(client, this.clock.now());
    const attempted = new LogoutAttempted(attempt.beginning({ userId }));
    const work = () =>
      this.unitOfWork.run(async () => {
        const revoked = await this.revocation.revokeAll({ userId }, 'user_logout_all', attempt);
        const { revokedSessions } = revoked;
        const record = [attempted, ...revoked.record, new LogoutSucceeded(attempt.ending({ userId }), revokedSessions)];
        await this.log.append(record);
        this.events.dispatch(record);
        return revokedSessions;
      });
    return endingWithFaults(this.events, work, (reason) => [
      attempted,
      new LogoutFailed(attempt.ending({ userId }), reason),
    ]);
  }
}
