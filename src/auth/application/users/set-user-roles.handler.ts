import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { UserRolesChanged } from '../../domain/events';
import { demand, rolesProblem, userIdProblem } from '../../domain/input-rules';
import { ok, refusal, type Result } from '../../domain/result';
import { Clock } from '../../ports/clock';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { SessionRepository } from '../../ports/session.repository';
import { actorId } from '../actor';
import { Attempt } from '../attempt';
import { HostUsers } from '../host-users';
import { RecordedChange } from '../recorded-change';
import type { UserChangeRefusal } from './set-user-active.command';
import { SetUserRolesCommand } from './set-user-roles.command';

type Answer = Result<void, UserChangeRefusal>;

@CommandHandler(SetUserRolesCommand)
export class SetUserRolesHandler implements ICommandHandler<SetUserRolesCommand> {
  constructor(
    private readonly users: HostUsers,
    private readonly sessions: SessionRepository,
    private readonly policies: SecurityPolicyRepository,
    private readonly changes: RecordedChange,
    private readonly clock: Clock,
  ) {}

  async execute({ userId: given, roles, actor }: SetUserRolesCommand): Promise<Answer> {
    const setRoles = this.users.directory.setRoles?.bind(this.users.directory);
    if (setRoles === undefined) throw new Error('This UserDirectory has no setRoles()');
    demand({ userId: userIdProblem(given), roles: rolesProblem(roles) });
    const by = actorId(actor);
    const userId = await this.users.spellingOf(given);
    const attempt = new Attempt(actor.client ?? {}, this.clock.now());

    return this.changes.commit<Answer>(async () => {
      await this.sessions.lockUser(userId);
      const before = (await this.users.findById(userId))?.roles ?? [];
      if (before.some((role) => !roles.includes(role)))
        await this.policies.raiseUserFloor(userId, 'role_removed', null);
      const same = before.length === roles.length && before.every((role) => roles.includes(role));
      const changed = new UserRolesChanged(attempt.ending({ userId }), by, before, roles);
      const last = async () => {
        const outcome = await setRoles(userId, roles);
        return outcome === 'changed' ? null : refusal(outcome);
      };
      return { value: ok(), events: same ? [] : [changed], last };
    });
  }
}
