import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { UserFactorChanged } from '../../domain/events';
import { demand, idProblem, methodProblem, userIdProblem } from '../../domain/input-rules';
import { AuthEvents } from '../../ports/auth-events';
import { Clock } from '../../ports/clock';
import { Attempt } from '../attempt';
import { HostUsers } from '../host-users';
import { RecordedChange } from '../recorded-change';
import { FactorChangedCommand } from './factor-changed.command';
import { OtherSessionsRevocation } from './other-sessions.revocation';
import { UserRevocation } from './user-revocation';

@CommandHandler(FactorChangedCommand)
export class FactorChangedHandler implements ICommandHandler<FactorChangedCommand> {
  constructor(
    private readonly users: HostUsers,
    private readonly revocation: UserRevocation,
    private readonly others: OtherSessionsRevocation,
    private readonly changes: RecordedChange,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ userId: given, kind, change }: FactorChangedCommand): Promise<number> {
    const { except, client = {} } = change;
    demand({
      userId: userIdProblem(given),
      kind: methodProblem(kind),
      except: except === undefined ? null : idProblem(except),
    });
    const userId = await this.users.spellingOf(given);
    const attempt = new Attempt(client, this.clock.now());
    const changed = new UserFactorChanged(attempt.ending({ userId, sessionId: except ?? null }), kind);
    if (except === undefined) {
      return this.changes.commit(async () => {
        const { revokedSessions, events } = await this.revocation.revokeAll({ userId }, 'factor_changed', attempt);
        return { value: revokedSessions, events: [...events, changed] };
      });
    }
    await this.events.record([changed]);
    return this.others.revokeAllExcept(except, userId, 'factor_changed', client);
  }
}
