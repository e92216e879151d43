import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { demand, idProblem, pageProblem } from '../../domain/input-rules';
import { AuthEventLog } from '../../ports/auth-event.log';
import { type AuthEventPage, FindAuthEventsQuery, pageOf } from './find-auth-events.query';

const MAX_PAGE = 200;

@QueryHandler(FindAuthEventsQuery)
export class FindAuthEventsHandler implements IQueryHandler<FindAuthEventsQuery> {
  constructor(private readonly log: AuthEventLog) {}

  async execute({ filter, limit, after }: FindAuthEventsQuery): Promise<AuthEventPage> {
    const { userId, sessionId, attemptId } = filter;
    for (const [path, id] of Object.entries({ userId, sessionId, attemptId }))
      if (id !== undefined) demand({ [path]: idProblem(id) });
    demand({ limit: pageProblem(limit, MAX_PAGE) });
    return pageOf(await this.log.find(filter, limit + 1, after), limit);
  }
}
