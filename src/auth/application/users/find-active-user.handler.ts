import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { type DirectoryUser, UserDirectory } from '../../ports/user-directory';
import { FindActiveUserQuery } from './find-active-user.query';

@QueryHandler(FindActiveUserQuery)
export class FindActiveUserHandler implements IQueryHandler<FindActiveUserQuery> {
  constructor(private readonly users: UserDirectory) {}

  async execute({ userId }: FindActiveUserQuery): Promise<DirectoryUser | null> {
    const user = await this.users.findById(userId);
    return user?.isActive === true ? user : null;
  }
}
