import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { LogoutAttempted, LogoutFailed, LogoutSucceeded } from '../../domain/events';
import { demand, revocationReasonProblem, userIdProblem } from '../../domain/input-rules';
import { AuthEvents } from '../../ports/auth-events';
import { Clock } from '../../ports/clock';
import { actorId } from '../actor';
import { Attempt } from '../attempt';
import { endingWithFaults } from '../faults';
import { HostUsers } from '../host-users';
import { RecordedChange } from '../recorded-change';
import { LogOutEverywhereCommand } from './log-out-everywhere.command';
import { LogOutLimits } from './log-out-limits';
import { RevokeUserSessionsCommand } from './revoke-user-sessions.command';
import { UserRevocation } from './user-revocation';

@CommandHandler(LogOutEverywhereCommand)
export class LogOutEverywhereHandler implements ICommandHandler<LogOutEverywhereCommand> {
  constructor(
    private readonly users: HostUsers,
    private readonly revocation: UserRevocation,
    private readonly limits: LogOutLimits,
    private readonly changes: RecordedChange,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ userId: given, client }: LogOutEverywhereCommand): Promise<number> {
    demand({ userId: userIdProblem(given) });
    const attempt = new Attempt(client, this.clock.now());
    const userId = await this.users.spellingOf(given);
    const attempted = new LogoutAttempted(attempt.beginning({ userId }));
    const work = () =>
      this.changes.commit(async () => {
        const { revokedSessions, events } = await this.revocation.revokeAll({ userId }, 'user_logout_all', attempt);
        if (revokedSessions === 0) await this.limits.takeOfUser(userId);
        const succeeded = new LogoutSucceeded(attempt.ending({ userId }), revokedSessions);
        return { value: revokedSessions, events: [attempted, ...events, succeeded] };
      });
    return endingWithFaults(this.events, work, (reason) => [
      attempted,
      new LogoutFailed(attempt.ending({ userId }), reason),
    ]);
  }
}

/** The same change for another user: it is not a log-out, and has the caller's reason. */
@CommandHandler(RevokeUserSessionsCommand)
export class RevokeUserSessionsHandler implements ICommandHandler<RevokeUserSessionsCommand> {
  constructor(
    private readonly users: HostUsers,
    private readonly revocation: UserRevocation,
    private readonly limits: LogOutLimits,
    private readonly changes: RecordedChange,
    private readonly clock: Clock,
  ) {}

  async execute({ userId: given, reason, actor }: RevokeUserSessionsCommand): Promise<number> {
    demand({ userId: userIdProblem(given), reason: revocationReasonProblem(reason) });
    const by = actorId(actor);
    const attempt = new Attempt(actor.client ?? {}, this.clock.now());
    const userId = await this.users.spellingOf(given);
    return this.changes.commit(async () => {
      const revoked = await this.revocation.revokeAll({ userId }, reason, attempt, by);
      if (revoked.revokedSessions === 0 && by !== null) await this.limits.takeOfUser(userId);
      return { value: revoked.revokedSessions, events: revoked.events };
    });
  }
}
