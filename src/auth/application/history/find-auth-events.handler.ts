import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { demand, idProblem, pageProblem, userIdProblem } from '../../domain/input-rules';
import { AuthEventLog } from '../../ports/auth-event.log';
import { UserDirectory } from '../../ports/user-directory';
import { spelledByDirectory } from '../user-id';
import { type AuthEventPage, FindAuthEventsQuery, pageOf } from './find-auth-events.query';

const MAX_PAGE = 200;

@QueryHandler(FindAuthEventsQuery)
export class FindAuthEventsHandler implements IQueryHandler<FindAuthEventsQuery> {
  constructor(
    private readonly log: AuthEventLog,
    private readonly users: UserDirectory,
  ) {}

  async execute({ filter, limit, after }: FindAuthEventsQuery): Promise<AuthEventPage> {
    const { userId, sessionId, attemptId } = filter;
    if (userId !== undefined) demand({ userId: userIdProblem(userId) });
    for (const [path, id] of Object.entries({ sessionId, attemptId }))
      if (id !== undefined) demand({ [path]: idProblem(id) });
    demand({ limit: pageProblem(limit, MAX_PAGE) });
    const spelled = userId === undefined ? {} : { userId: await spelledByDirectory(this.users, userId) };
    return pageOf(await this.log.find({ ...filter, ...spelled }, limit + 1, after), limit);
  }
}
