import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { demand, idProblem, pageProblem, userIdProblem } from '../../domain/input-rules';
import { AuthEventLog, type AuthEventPage } from '../../ports/auth-event.log';
import { HostUsers } from '../host-users';
import { AuditReads } from './audit-reads';
import { FindAuthEventsQuery } from './find-auth-events.query';

const MAX_PAGE = 200;

@QueryHandler(FindAuthEventsQuery)
export class FindAuthEventsHandler implements IQueryHandler<FindAuthEventsQuery> {
  constructor(
    private readonly log: AuthEventLog,
    private readonly users: HostUsers,
    private readonly reads: AuditReads,
  ) {}

  async execute({ filter: given, limit, after, actor }: FindAuthEventsQuery): Promise<AuthEventPage> {
    const { userId, sessionId, attemptId } = given;
    if (userId !== undefined) demand({ userId: userIdProblem(userId) });
    for (const [path, id] of Object.entries({ sessionId, attemptId }))
      if (id !== undefined) demand({ [path]: idProblem(id) });
    demand({ limit: pageProblem(limit, MAX_PAGE) });
    const spelled = userId === undefined ? {} : { userId: await this.users.spellingOf(userId) };
    const filter = { ...given, ...spelled };
    await this.reads.record(filter, actor);
    return this.log.find(filter, limit, after);
  }
}
