import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { PasswordResetIssued } from '../../domain/events';
import { demand, userIdProblem } from '../../domain/input-rules';
import { ok, refusal, type Result } from '../../domain/result';
import { ResetTicketSeal } from '../../domain/reset-ticket';
import { AuthEvents } from '../../ports/auth-events';
import { Clock } from '../../ports/clock';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { Attempt } from '../attempt';
import { HostUsers } from '../host-users';
import { IssueResetTicketCommand } from './issue-reset-ticket.command';

/** Anybody may ask for a ticket of anybody. */
const PER_MINUTE_AND_USER = 10;

@CommandHandler(IssueResetTicketCommand)
export class IssueResetTicketHandler implements ICommandHandler<IssueResetTicketCommand> {
  constructor(
    private readonly users: HostUsers,
    private readonly policies: SecurityPolicyRepository,
    private readonly seal: ResetTicketSeal,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ userId: given, client }: IssueResetTicketCommand): Promise<Result<string, 'user_not_found'>> {
    demand({ userId: userIdProblem(given) });
    const user = await this.users.findById(given);
    if (user === null) return refusal('user_not_found');
    const { id: userId } = user;
    const { floors, now } = await this.policies.floorsOf(userId);
    const ticket = this.seal.seal({ userId, floor: floors.userMinTokenVersion, issuedAt: now });
    const attempt = new Attempt(client, this.clock.now());
    await this.events.recordUpTo({ key: `reset of ${userId}`, most: PER_MINUTE_AND_USER, seconds: 60 }, [
      new PasswordResetIssued(attempt.ending({ userId })),
    ]);
    return ok(ticket);
  }
}
