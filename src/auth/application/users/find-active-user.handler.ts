import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { demand, userIdProblem } from '../../domain/input-rules';
import type { DirectoryUser } from '../../ports/user-directory';
import { HostUsers } from '../host-users';
import { FindActiveUserQuery } from './find-active-user.query';

@QueryHandler(FindActiveUserQuery)
export class FindActiveUserHandler implements IQueryHandler<FindActiveUserQuery> {
  constructor(private readonly users: HostUsers) {}

  async execute({ userId }: FindActiveUserQuery): Promise<DirectoryUser | null> {
    demand({ userId: userIdProblem(userId) });
    const user = await this.users.findById(userId);
    return user?.isActive === true ? user : null;
  }
}
