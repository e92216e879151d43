import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { demand, idProblem, pageProblem } from '../../domain/input-rules';
import { AuthEventLog } from '../../ports/auth-event.log';
import { type AuthEventPage, pageOf } from './find-auth-events.query';
import { GetSessionHistoryQuery } from './get-session-history.query';

const MAX_PAGE = 1000;

@QueryHandler(GetSessionHistoryQuery)
export class GetSessionHistoryHandler implements IQueryHandler<GetSessionHistoryQuery> {
  constructor(private readonly log: AuthEventLog) {}

  async execute({ sessionId, limit, after }: GetSessionHistoryQuery): Promise<AuthEventPage> {
    demand({ sessionId: idProblem(sessionId), limit: pageProblem(limit, MAX_PAGE) });
    return pageOf(await this.log.find({ sessionId }, limit + 1, after, 'oldest first'), limit);
  }
}
