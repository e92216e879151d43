import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { demand, idProblem, userIdProblem } from '../../domain/input-rules';
import { HostUsers } from '../host-users';
import { OtherSessionsRevocation } from './other-sessions.revocation';
import { RevokeOtherSessionsCommand } from './revoke-other-sessions.command';

@CommandHandler(RevokeOtherSessionsCommand)
export class RevokeOtherSessionsHandler implements ICommandHandler<RevokeOtherSessionsCommand> {
  constructor(
    private readonly users: HostUsers,
    private readonly others: OtherSessionsRevocation,
  ) {}

  async execute({ userId: given, currentSessionId, client }: RevokeOtherSessionsCommand): Promise<number> {
    demand({ userId: userIdProblem(given), currentSessionId: idProblem(currentSessionId) });
    const userId = await this.users.spellingOf(given);
    return this.others.revokeAllExcept(currentSessionId, userId, 'session_revoked', client);
  }
}
