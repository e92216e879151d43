import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { AuthEventLog } from '../../ports/auth-event.log';
import { type AuthEventPage, pageOf } from './find-auth-events.query';
import { GetSessionHistoryQuery } from './get-session-history.query';

@QueryHandler(GetSessionHistoryQuery)
export class GetSessionHistoryHandler implements IQueryHandler<GetSessionHistoryQuery> {
  constructor(private readonly log: AuthEventLog) {}

  async execute({ sessionId, limit, after }: GetSessionHistoryQuery): Promise<AuthEventPage> {
    return pageOf(await this.log.find({ sessionId }, limit + 1, after, 'oldest first'), limit);
  }
}
