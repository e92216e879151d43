import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import {
  type DirectoryUser,
  loginSpelling,
  TypeOrmUnitOfWork,
  UserDirectory,
  type UserTable,
  type UserWithPassword,
} from 'nest-ratchet';
import { Person } from './person.entity.js';

/** The people of this application, as auth asks for them. */
@Injectable()
export class PeopleUserDirectory extends UserDirectory {
  /** Lets a refresh read the person in the same statement as the session. */
  override readonly joinable: UserTable = {
    table: 'people',
    id: 'id',
    idType: 'uuid',
    email: 'email',
    roles: 'roles',
    isActive: 'is_active',
  };

  /** The unit of work is auth's: what is written through its manager commits, or rolls back, with auth's own changes. */
  constructor(private readonly unitOfWork: TypeOrmUnitOfWork) {
    super();
  }

  async findById(id: string): Promise<DirectoryUser | null> {
    // PostgreSQL fails on a text that is no UUID.
    return isUUID(id) ? this.people.findOneBy({ id }) : null;
  }

  async findByLogin(login: string): Promise<UserWithPassword | null> {
    return this.people.findOneBy({ email: loginSpelling(login) });
  }

  async replacePasswordHash(id: string, verified: string, next: string): Promise<boolean> {
    const { affected } = await this.people.update({ id, passwordHash: verified }, { passwordHash: next });
    return affected === 1;
  }

  private get people() {
    return this.unitOfWork.manager.getRepository(Person);
  }
}
