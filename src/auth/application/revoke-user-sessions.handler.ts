import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { isRevocationReason } from '../domain/refusals';
import { AuthEventLog } from '../ports/auth-event.log';
import { AuthEvents } from '../ports/auth-events';
import { Clock } from '../ports/clock';
import { UnitOfWork } from '../ports/unit-of-work';
import { Attempt } from './attempt';
import { RevokeUserSessionsCommand } from './revoke-user-sessions.command';
import { UserRevocation } from './user-revocation';

@CommandHandler(RevokeUserSessionsCommand)
export class RevokeUserSessionsHandler implements ICommandHandler<RevokeUserSessionsCommand> {
  constructor(
    private readonly revocation: UserRevocation,
    private readonly unitOfWork: UnitOfWork,
    private readonly log: AuthEventLog,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  /** @throws TypeError for a reason that is not in the list: a host's own string must not reach the audit trail */
  async execute({ userId, reason, actor }: RevokeUserSessionsCommand): Promise<number> {
    if (!isRevocationReason(reason)) throw new TypeError(`${String(reason)} is no reason for a revocation`);
    const attempt = new Attempt(actor.client ?? {}, this.clock.now());
    return this.unitOfWork.run(async () => {
      const { revokedSessions, record } = await this.revocation.revokeAll({ userId }, reason, attempt, actor.userId);
      await this.log.append(record);
      this.events.dispatch(record);
      return revokedSessions;
    });
  }
}
