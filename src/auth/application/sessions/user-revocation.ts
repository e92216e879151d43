import { Injectable } from '@nestjs/common';
import { AllSessionsRevoked, type AuthEvent, SessionRevoked } from '../../domain/events';
import type { RevocationReason } from '../../domain/refusals';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { SessionRepository } from '../../ports/session.repository';
import type { Attempt } from '../attempt';

/** Whose sessions end, and the session that the cause of it came from, if one did. */
interface RevokedUser {
  readonly userId: string;
  readonly sessionId?: string;
}

/** Ends everything that a user holds: the floor rises, which refuses the access tokens, and the sessions are revoked. */
@Injectable()
export class UserRevocation {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly policies: SecurityPolicyRepository,
  ) {}

  /**
   * Within a unit of work. In this order everywhere: the user, then the sessions, so that two of them never wait for each
   * other. The events are the caller's to store; they name each session, or the history of one would have no end.
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
