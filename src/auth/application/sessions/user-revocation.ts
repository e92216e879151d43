import { Injectable } from '@nestjs/common';
import { AllSessionsRevoked, type AuthEvent, SessionRevoked } from '../../domain/events';
import type { RevocationReason } from '../../domain/refusals';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { SessionRepository } from '../../ports/session.repository';
import type { Attempt } from '../attempt';

/** The user whose sessions end, and the session that caused it, if one did. */
interface RevokedUser {
  readonly userId: string;
  readonly sessionId?: string;
}

/** Ends all tokens of a user: the floor rises, which refuses the access tokens, and the sessions are revoked. */
@Injectable()
export class UserRevocation {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly policies: SecurityPolicyRepository,
  ) {}

  /**
   * Call it inside a unit of work. It locks the user, then the sessions, as all code does, so that two transactions never
   * wait for each other. The caller stores the events; they name each session, since a session's history must show its end.
   */
  async revokeAll(
    user: RevokedUser,
    reason: RevocationReason,
    attempt: Attempt,
    actorId: string | null = null,
  ): Promise<{ revokedSessions: number; events: AuthEvent[] }> {
    const { userId } = user;
    await this.sessions.lockUser(userId);
    await this.policies.raiseUserFloor(userId, reason);
    const ended = await this.sessions.revokeAllOfUser(userId, reason);
    const events = [
      ...ended.map((sessionId) => new SessionRevoked(attempt.finding({ userId, sessionId }), reason, actorId)),
      new AllSessionsRevoked(attempt.finding(user), reason, ended.length, actorId),
    ];
    return { revokedSessions: ended.length, events };
  }
}
