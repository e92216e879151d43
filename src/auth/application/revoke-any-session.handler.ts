import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { SessionRevoked } from '../domain/events';
import { AuthEvents } from '../ports/auth-events';
import { Clock } from '../ports/clock';
import { SessionRepository } from '../ports/session.repository';
import { Attempt } from './attempt';
import { RevokeAnySessionCommand } from './revoke-any-session.command';
import { SessionTermination } from './session-termination';

@CommandHandler(RevokeAnySessionCommand)
export class RevokeAnySessionHandler implements ICommandHandler<RevokeAnySessionCommand> {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly termination: SessionTermination,
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {}

  async execute({ sessionId, actor }: RevokeAnySessionCommand): Promise<boolean> {
    const session = await this.sessions.findById(sessionId);
    if (session === null) return false;
    const { userId } = session;
    const attempt = new Attempt(actor.client ?? {}, this.clock.now());
    const revoked = new SessionRevoked(attempt.ending({ userId, sessionId }), 'admin_action', actor.userId ?? null);
    this.events.dispatch((await this.termination.end(session, 'admin_action', [revoked], attempt)) ?? []);
    return true;
  }
}
