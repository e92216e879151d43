import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { err, ok, type Result } from 'neverthrow';
import { UserRolesChanged } from '../domain/events';
import { AuthEventLog } from '../ports/auth-event.log';
import { AuthEvents } from '../ports/auth-events';
import { Clock } from '../ports/clock';
import { SecurityPolicyRepository } from '../ports/security-policy.repository';
import { SessionRepository } from '../ports/session.repository';
import { UnitOfWork } from '../ports/unit-of-work';
import { UserDirectory } from '../ports/user-directory';
import { Attempt } from './attempt';
import type { UserChangeRefusal } from './set-user-active.command';
import { SetUserRolesCommand } from './set-user-roles.command';
import { undoable } from './undoable';

@CommandHandler(SetUserRolesCommand)
export class SetUserRolesHandler implements ICommandHandler<SetUserRolesCommand> {
  constructor(
    private readonly users: UserDirectory,
    private readonly sessions: SessionRepository,
    private readonly policies: SecurityPolicyRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly log: AuthEventLog,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ userId, roles, actor }: SetUserRolesCommand): Promise<Result<void, UserChangeRefusal>> {
    const setRoles = this.users.setRoles?.bind(this.users);
    if (setRoles === undefined) throw new Error('This UserDirectory has no setRoles()');
    const attempt = new Attempt(actor.client ?? {}, this.clock.now());

    return undoable(this.unitOfWork, async (undo) => {
      await this.sessions.lockUser(userId);
      const before = (await this.users.findById(userId))?.roles ?? [];
      if (before.some((role) => !roles.includes(role))) await this.policies.raiseUserFloor(userId, 'role_removed');
      const record = [new UserRolesChanged(attempt.ending({ userId }), actor.userId ?? null, before, roles)];
      await this.log.append(record);
      this.events.dispatch(record);
      // Last, since a directory outside of this database keeps what it has changed, whatever comes after.
      const outcome = await setRoles(userId, roles);
      return outcome === 'changed' ? ok() : undo(err(outcome));
    });
  }
}
