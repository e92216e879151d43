import { type DirectoryUser, UserDirectory } from '../index';

/** The users of a host, which the command line cannot ask: every id is a user's, and there is nothing to change. */
export class HostUserDirectory extends UserDirectory {
  async findById(id: string): Promise<DirectoryUser> {
    return { id, email: '', roles: [], isActive: true };
  }

  async findByLogin(): Promise<null> {
    return null;
  }

  async replacePasswordHash(): Promise<false> {
    return false;
  }
}
