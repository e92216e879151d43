import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { isHonoured } from '../../../guard/versions';
import { demand, userIdProblem } from '../../domain/input-rules';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { SessionRepository } from '../../ports/session.repository';
import { UserDirectory } from '../../ports/user-directory';
import { spelledByDirectory } from '../user-id';
import { type ListedSession, ListSessionsQuery } from './list-sessions.query';

@QueryHandler(ListSessionsQuery)
export class ListSessionsHandler implements IQueryHandler<ListSessionsQuery> {
  constructor(
    private readonly users: UserDirectory,
    private readonly sessions: SessionRepository,
    private readonly policies: SecurityPolicyRepository,
  ) {}

  async execute({ userId: given, currentSessionId }: ListSessionsQuery): Promise<ListedSession[]> {
    demand({ userId: userIdProblem(given) });
    const userId = await spelledByDirectory(this.users, given);
    const live = await this.sessions.findLiveOfUser(userId);
    const { floors, now } = await this.policies.floorsOf(userId);
    return live
      .filter((session) => isHonoured(session, floors, now))
      .map((session) => ({
        id: session.id,
        current: session.id === currentSessionId,
        deviceId: session.deviceId,
        deviceName: session.deviceName,
        userAgent: session.userAgent,
        ipAddress: session.ipAddress,
        lastUserAgent: session.lastUserAgent,
        lastIpAddress: session.lastIpAddress,
        createdAt: session.createdAt,
        lastUsedAt: session.lastUsedAt,
        expiresAt: session.expiresAt,
        absoluteExpiresAt: session.absoluteExpiresAt,
        generation: session.generation,
      }));
  }
}
