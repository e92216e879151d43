import { Injectable } from '@nestjs/common';
import { type AccessDenial, AccessDenials } from '../../../guard/ports/access-denials';
import { AccessDenied } from '../../domain/events';
import { AuthEvents } from '../../ports/auth-events';
import { Clock } from '../../ports/clock';
import { Attempt } from '../attempt';

/** Enough to see what a user tries; a token cannot fill the record. */
const PER_MINUTE_AND_USER = 10;

/** Records the guard's denials (PCI DSS 4.0.1, 10.2.1.4). */
@Injectable()
export class RecordedAccessDenials extends AccessDenials {
  constructor(
    private readonly events: AuthEvents,
    private readonly clock: Clock,
  ) {
    super();
  }

  async record({ principal, requiredRoles, route, ...client }: AccessDenial): Promise<void> {
    const { userId, sessionId, actor } = principal;
    const actorId = actor?.userId ?? null;
    const attempt = new Attempt(client, this.clock.now());
    const denied = new AccessDenied(attempt.ending({ userId, sessionId }), requiredRoles, route, actorId);
    await this.events.recordUpTo({ key: `denied ${actorId ?? userId}`, most: PER_MINUTE_AND_USER, seconds: 60 }, [
      denied,
    ]);
  }
}
