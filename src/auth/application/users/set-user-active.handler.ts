import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type AuthEvent, UserDeactivated, UserReactivated } from '../../domain/events';
import { demand, userIdProblem } from '../../domain/input-rules';
import { ok, refusal, type Result } from '../../domain/result';
import { Clock } from '../../ports/clock';
import { SessionRepository } from '../../ports/session.repository';
import { actorId } from '../actor';
import { Attempt } from '../attempt';
import { HostUsers } from '../host-users';
import { RecordedChange } from '../recorded-change';
import { LogOutLimits } from '../sessions/log-out-limits';
import { UserRevocation } from '../sessions/user-revocation';
import { SetUserActiveCommand, type UserChangeRefusal } from './set-user-active.command';

type Answer = Result<void, UserChangeRefusal>;

@CommandHandler(SetUserActiveCommand)
export class SetUserActiveHandler implements ICommandHandler<SetUserActiveCommand> {
  constructor(
    private readonly users: HostUsers,
    private readonly sessions: SessionRepository,
    private readonly revocation: UserRevocation,
    private readonly limits: LogOutLimits,
    private readonly changes: RecordedChange,
    private readonly clock: Clock,
  ) {}

  async execute({ userId: given, isActive, actor }: SetUserActiveCommand): Promise<Answer> {
    const setActive = this.users.directory.setActive?.bind(this.users.directory);
    if (setActive === undefined) throw new Error('This UserDirectory has no setActive()');
    demand({ userId: userIdProblem(given) });
    const by = actorId(actor);
    const userId = await this.users.spellingOf(given);
    const attempt = new Attempt(actor.client ?? {}, this.clock.now());

    return this.changes.commit<Answer>(async () => {
      await this.sessions.lockUser(userId);
      const wasActive = (await this.users.findById(userId))?.isActive;
      const events: AuthEvent[] = [];
      if (isActive) {
        if (wasActive !== true) events.push(new UserReactivated(attempt.ending({ userId }), by));
      } else {
        // The floor also rises: a login in progress has read the old one, so its session is refused from the start.
        const revoked = await this.revocation.revokeAll({ userId }, 'user_deactivated', attempt, by);
        if (wasActive === false && revoked.revokedSessions === 0 && by !== null) await this.limits.takeOfUser(userId);
        events.push(...revoked.events, new UserDeactivated(attempt.ending({ userId }), by));
      }
      const last = async () => {
        const outcome = await setActive(userId, isActive);
        return outcome === 'changed' ? null : refusal(outcome);
      };
      return { value: ok(), events, last };
    });
  }
}
