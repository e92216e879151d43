import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { SessionRevoked } from '../../domain/events';
import { demand, idProblem, userIdProblem } from '../../domain/input-rules';
import { Clock } from '../../ports/clock';
import { SessionRepository } from '../../ports/session.repository';
import { actorId } from '../actor';
import { Attempt } from '../attempt';
import { HostUsers } from '../host-users';
import { RevokeSessionCommand } from './revoke-session.command';
import { SessionTermination } from './session-termination';

@CommandHandler(RevokeSessionCommand)
export class RevokeSessionHandler implements ICommandHandler<RevokeSessionCommand> {
  constructor(
    private readonly users: HostUsers,
    private readonly sessions: SessionRepository,
    private readonly termination: SessionTermination,
    private readonly clock: Clock,
  ) {}

  async execute({ sessionId, of, actor }: RevokeSessionCommand): Promise<boolean> {
    demand({ sessionId: idProblem(sessionId), of: of === undefined ? null : userIdProblem(of) });
    const by = actorId(actor);
    const session = await this.sessions.findById(sessionId);
    if (session === null) return false;
    if (of !== undefined && session.userId !== of && session.userId !== (await this.users.spellingOf(of))) return false;
    const attempt = new Attempt(actor.client ?? {}, this.clock.now());
    const reason = of === undefined ? 'admin_action' : 'session_revoked';
    const subject = { userId: session.userId, sessionId };
    const revoked = new SessionRevoked(attempt.ending(subject), reason, by);
    await this.termination.end(session, reason, [revoked], attempt);
    return true;
  }
}
