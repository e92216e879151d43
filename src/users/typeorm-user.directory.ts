import { Injectable } from '@nestjs/common';
import type { FindOptionsWhere } from 'typeorm';
import {
  administers,
  type DirectoryChange,
  type DirectoryUser,
  loginSpelling,
  TypeOrmUnitOfWork,
  UserDirectory,
  type UserTable,
  type UserWithPassword,
} from '../index';
import { normaliseEmail } from './email';
import { UserEntity } from './user.entity';

/** PostgreSQL fails on any other text where it expects one. */
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** The application's own users, in auth's database. */
@Injectable()
export class TypeOrmUserDirectory extends UserDirectory {
  override readonly joinable: UserTable;
  private readonly schema: string | undefined;

  constructor(private readonly unitOfWork: TypeOrmUnitOfWork) {
    super();
    this.schema = unitOfWork.manager.dataSource.getMetadata(UserEntity).schema;
    this.joinable = {
      schema: this.schema,
      table: 'users',
      id: 'id',
      idType: 'uuid',
      email: 'email',
      roles: 'roles',
      isActive: 'is_active',
    };
  }

  async findById(id: string): Promise<DirectoryUser | null> {
    if (!UUID.test(id)) return null;
    return this.users.findOne({ where: { id }, select: { id: true, email: true, roles: true, isActive: true } });
  }

  async findByLogin(login: string): Promise<UserWithPassword | null> {
    const email = normaliseEmail(login);
    return email === null ? null : this.users.findOneBy({ email });
  }

  override async findByIdWithPassword(id: string): Promise<UserWithPassword | null> {
    return UUID.test(id) ? this.users.findOneBy({ id }) : null;
  }

  async replacePasswordHash(id: string, verified: string, next: string): Promise<boolean> {
    return UUID.test(id) && this.update({ id, passwordHash: verified }, { passwordHash: next });
  }

  override async setActive(id: string, isActive: boolean): Promise<DirectoryChange> {
    return this.administrate(id, { isActive });
  }

  override async setRoles(id: string, roles: readonly string[]): Promise<DirectoryChange> {
    return this.administrate(id, { roles: [...roles] });
  }

  override async search(text: string, limit: number): Promise<readonly DirectoryUser[]> {
    const users = this.users
      .createQueryBuilder('found')
      .select(['found.id', 'found.email', 'found.roles', 'found.isActive'])
      .orderBy('found.email')
      .take(limit);
    const wanted = loginSpelling(text);
    if (wanted !== '') users.where('strpos(found.email, :wanted) > 0', { wanted });
    if (UUID.test(text)) users.orWhere('found.id = :text', { text });
    return users.getMany();
  }

  /** Refuses what would leave nobody to administer. Two administrators who demote each other at once wait here in turn. */
  private async administrate(
    id: string,
    change: Pick<Partial<UserEntity>, 'isActive' | 'roles'>,
  ): Promise<DirectoryChange> {
    return this.unitOfWork.run(async () => {
      await this.unitOfWork.manager.query(
        `SELECT pg_advisory_xact_lock(hashtextextended('ratchet ${this.schema} administrators', 0))`,
      );
      const before = await this.findById(id);
      if (before === null) return 'user_not_found';
      const after = { ...before, ...change };
      if (administers(before) && !administers(after) && !(await this.hasOtherAdministrator(id))) return 'last_admin';
      await this.update({ id }, change);
      return 'changed';
    });
  }

  private async hasOtherAdministrator(id: string): Promise<boolean> {
    return this.users
      .createQueryBuilder('other')
      .where(`other.id <> :id AND other.isActive AND 'admin' = ANY(other.roles)`, { id })
      .getExists();
  }

  private async update(where: FindOptionsWhere<UserEntity>, change: Partial<UserEntity>): Promise<boolean> {
    const { affected } = await this.users.update(where, { ...change, updatedAt: () => 'now()' });
    return affected === 1;
  }

  private get users() {
    return this.unitOfWork.manager.getRepository(UserEntity);
  }
}
