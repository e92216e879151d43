import { Injectable } from '@nestjs/common';
import { type DirectoryUser, loginSpelling, UserDirectory, type UserWithPassword } from 'nest-ratchet';
import { People } from './people.js';

/** The people of this application, as auth asks for them. */
@Injectable()
export class PeopleUserDirectory extends UserDirectory {
  constructor(private readonly people: People) {
    super();
  }

  async findById(id: string): Promise<DirectoryUser | null> {
    return this.people.find('id', id);
  }

  async findByLogin(login: string): Promise<UserWithPassword | null> {
    return this.people.find('email', loginSpelling(login));
  }

  async replacePasswordHash(id: string, verified: string, next: string): Promise<boolean> {
    return this.people.replacePasswordHash(id, verified, next);
  }
}
