import { Injectable } from '@nestjs/common';
import { AllSessionsRevoked, type AuthEvent } from '../../domain/events';
import type { RevocationReason } from '../../domain/refusals';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { SessionRepository } from '../../ports/session.repository';
import type { Attempt } from '../attempt';
import { EndedSessionsMarker } from './ended-sessions.marker';

/** The user whose sessions end, and the session that caused it, if one did. */
interface RevokedUser {
  readonly userId: string;
  readonly sessionId?: string;
}

/** The number of sessions that were live, and the events that the caller stores. */
interface Revoked {
  readonly revokedSessions: number;
  readonly events: readonly AuthEvent[];
}

/** Ends all sessions and access tokens of a user by a raise of the floor, so that it takes as long for 300,000 as for one. */
@Injectable()
export class UserRevocation {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly policies: SecurityPolicyRepository,
    private readonly marker: EndedSessionsMarker,
  ) {}

  /** Call it inside a unit of work. It locks the user and touches no session: their rows are marked after the commit. */
  async revokeAll(
    user: RevokedUser,
    reason: RevocationReason,
    attempt: Attempt,
    actorId: string | null = null,
  ): Promise<Revoked> {
    const revokedSessions = await this.countLive(user);
    await this.policies.raiseUserFloor(user.userId, reason, reason);
    return this.revoked(user, reason, attempt, actorId, revokedSessions);
  }

  /** {@link revokeAll}, only while the user's floor is exactly `floor`; null, and no change, otherwise. */
  async revokeAllFrom(
    floor: number,
    user: RevokedUser,
    reason: RevocationReason,
    attempt: Attempt,
  ): Promise<Revoked | null> {
    const revokedSessions = await this.countLive(user);
    const raised = await this.policies.raiseUserFloorFrom(floor, user.userId, reason, reason);
    return raised === null ? null : this.revoked(user, reason, attempt, null, revokedSessions);
  }

  /** Before the raise: below it none is live. */
  private async countLive({ userId }: RevokedUser): Promise<number> {
    await this.sessions.lockUser(userId);
    return this.sessions.countLiveOfUser(userId);
  }

  private revoked(
    user: RevokedUser,
    reason: RevocationReason,
    attempt: Attempt,
    actorId: string | null,
    revokedSessions: number,
  ): Revoked {
    this.marker.markAfterCommit(user.userId);
    return {
      revokedSessions,
      events: [new AllSessionsRevoked(attempt.finding(user), reason, revokedSessions, actorId)],
    };
  }
}
