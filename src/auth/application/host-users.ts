import { Injectable } from '@nestjs/common';
import { checkedUser, type DirectoryUser, UserDirectory, type UserWithPassword } from '../ports/user-directory';

/**
 * The host's users, as the use cases find them: what the directory answers is checked here, before anything is decided by it.
 * @internal
 */
@Injectable()
export class HostUsers {
  /** `directory` is for changes of users. */
  constructor(readonly directory: UserDirectory) {}

  async findById(id: string): Promise<DirectoryUser | null> {
    return checkedUser('findById()', await this.directory.findById(id));
  }

  async findByLogin(login: string): Promise<UserWithPassword | null> {
    return checkedUser('findByLogin()', await this.directory.findByLogin(login));
  }

  /** By the e-mail where the directory finds hashes by login alone, and the login name is the e-mail. */
  async findByIdWithPassword(id: string): Promise<UserWithPassword | null> {
    if (this.directory.findByIdWithPassword !== undefined)
      return checkedUser('findByIdWithPassword()', await this.directory.findByIdWithPassword(id));
    const user = await this.findById(id);
    return user === null ? null : this.findByLogin(user.email);
  }

  /**
   * The directory's spelling of an id that a caller gave: auth compares ids as texts, and a directory may find a user by
   * several. Of an unknown user, whose sessions may still be there, it is the caller's.
   */
  async spellingOf(id: string): Promise<string> {
    return (await this.findById(id))?.id ?? id;
  }
}
