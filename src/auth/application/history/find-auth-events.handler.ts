import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { AuthEventLog } from '../../ports/auth-event.log';
import { type AuthEventPage, FindAuthEventsQuery, pageOf } from './find-auth-events.query';

@QueryHandler(FindAuthEventsQuery)
export class FindAuthEventsHandler implements IQueryHandler<FindAuthEventsQuery> {
  constructor(private readonly log: AuthEventLog) {}

  async execute({ filter, limit, after }: FindAuthEventsQuery): Promise<AuthEventPage> {
    return pageOf(await this.log.find(filter, limit + 1, after), limit);
  }
}
