import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { cursorOf, positionOf } from '../../../support/cursor';
import { cursorProblem, demand, pageProblem, userIdProblem } from '../../domain/input-rules';
import { RateLimits } from '../../ports/rate-limits';
import { SessionRepository } from '../../ports/session.repository';
import { HostUsers } from '../host-users';
import { type ListedSessions, ListSessionsQuery, MAX_PAGE } from './list-sessions.query';

@QueryHandler(ListSessionsQuery)
export class ListSessionsHandler implements IQueryHandler<ListSessionsQuery> {
  constructor(
    private readonly users: HostUsers,
    private readonly sessions: SessionRepository,
    private readonly limits: RateLimits,
  ) {}

  async execute({ userId: given, currentSessionId, options }: ListSessionsQuery): Promise<ListedSessions> {
    const { limit = MAX_PAGE, cursor, by } = options;
    demand({
      userId: userIdProblem(given),
      limit: pageProblem(limit, MAX_PAGE),
      cursor: cursor === undefined ? null : cursorProblem(cursor),
      by: by === undefined ? null : userIdProblem(by),
    });
    // A page is small, but PostgreSQL reads all of the user's sessions for it: no index has the order, which refreshes change.
    if (by !== undefined) await this.limits.take('listPerUser', by);
    const userId = await this.users.spellingOf(given);
    const { items, next } = await this.sessions.findLiveOfUser(userId, limit, positionOf(cursor) ?? undefined);
    const listed = items.map((session) => ({
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
      binding: session.binding && session.binding.kind,
    }));
    return { items: listed, nextCursor: next && cursorOf(next) };
  }
}
