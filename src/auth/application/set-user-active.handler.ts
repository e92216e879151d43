import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { err, ok, type Result } from 'neverthrow';
import { type AuthEvent, UserDeactivated, UserReactivated } from '../domain/events';
import { AuthEventLog } from '../ports/auth-event.log';
import { AuthEvents } from '../ports/auth-events';
import { Clock } from '../ports/clock';
import { SessionRepository } from '../ports/session.repository';
import { UnitOfWork } from '../ports/unit-of-work';
import { UserDirectory } from '../ports/user-directory';
import { Attempt } from './attempt';
import { SetUserActiveCommand, type UserChangeRefusal } from './set-user-active.command';
import { undoable } from './undoable';
import { UserRevocation } from './user-revocation';

@CommandHandler(SetUserActiveCommand)
export class SetUserActiveHandler implements ICommandHandler<SetUserActiveCommand> {
  constructor(
    private readonly users: UserDirectory,
    private readonly sessions: SessionRepository,
    private readonly revocation: UserRevocation,
    private readonly unitOfWork: UnitOfWork,
    private readonly log: AuthEventLog,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ userId, isActive, actor }: SetUserActiveCommand): Promise<Result<void, UserChangeRefusal>> {
    const setActive = this.users.setActive?.bind(this.users);
    if (setActive === undefined) throw new Error('This UserDirectory has no setActive()');
    const attempt = new Attempt(actor.client ?? {}, this.clock.now());
    const by = actor.userId ?? null;

    return undoable(this.unitOfWork, async (undo) => {
      await this.sessions.lockUser(userId);
      const record: AuthEvent[] = [];
      if (isActive) {
        record.push(new UserReactivated(attempt.ending({ userId }), by));
      } else {
        // The floor rises too: a login that is under way has read the old one, and is dead on arrival.
        const revoked = await this.revocation.revokeAll({ userId }, 'user_deactivated', attempt, by);
        record.push(...revoked.record, new UserDeactivated(attempt.ending({ userId }), by));
      }
      await this.log.append(record);
      this.events.dispatch(record);
      // Last, since a directory outside of this database keeps what it has changed, whatever comes after.
      const outcome = await setActive(userId, isActive);
      return outcome === 'changed' ? ok() : undo(err(outcome));
    });
  }
}
