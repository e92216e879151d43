import { Injectable } from '@nestjs/common';
import { CurrentRoles } from '../../../guard/ports/current-roles';
import { checkedUser, UserDirectory } from '../../ports/user-directory';

@Injectable()
export class DirectoryRoles extends CurrentRoles {
  constructor(private readonly users: UserDirectory) {
    super();
  }

  async rolesOf(userId: string): Promise<readonly string[] | null> {
    const user = checkedUser('findById()', await this.users.findById(userId));
    return user?.isActive === true ? user.roles : null;
  }
}
