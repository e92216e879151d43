import {
  administers,
  type DirectoryChange,
  type DirectoryUser,
  loginSpelling,
  UserDirectory,
  type UserWithPassword,
} from '../index';
import type { InMemoryStore } from './in-memory-store';

/** Users in memory. They sign in with their e-mail, in any case and Unicode form. */
export class InMemoryUserDirectory extends UserDirectory {
  constructor(private readonly store: InMemoryStore) {
    super();
  }

  /** Adds a user, and replaces a user with the same id. */
  add(user: UserWithPassword): Promise<void> {
    return this.store.alone(
      async () => void this.store.users.set(user.id, { ...user, email: loginSpelling(user.email) }),
    );
  }

  findById(id: string): Promise<DirectoryUser | null> {
    return this.store.alone(async () => {
      const user = this.store.users.get(id);
      if (user === undefined) return null;
      const { passwordHash: _, ...found } = user;
      return found;
    });
  }

  findByLogin(login: string): Promise<UserWithPassword | null> {
    const email = loginSpelling(login);
    return this.store.alone(async () => [...this.store.users.values()].find((user) => user.email === email) ?? null);
  }

  override findByIdWithPassword(id: string): Promise<UserWithPassword | null> {
    return this.store.alone(async () => this.store.users.get(id) ?? null);
  }

  replacePasswordHash(id: string, verified: string, next: string): Promise<boolean> {
    return this.change(id, (user) => user.passwordHash === verified && { ...user, passwordHash: next });
  }

  override setActive(id: string, isActive: boolean): Promise<DirectoryChange> {
    return this.administrate(id, (user) => ({ ...user, isActive }));
  }

  override setRoles(id: string, roles: readonly string[]): Promise<DirectoryChange> {
    return this.administrate(id, (user) => ({ ...user, roles: [...roles] }));
  }

  override search(text: string, limit: number): Promise<readonly DirectoryUser[]> {
    const wanted = loginSpelling(text);
    return this.store.alone(async () =>
      [...this.store.users.values()]
        .filter(({ id, email }) => email.includes(wanted) || id === text)
        .sort((one, other) => (one.email < other.email ? -1 : 1))
        .slice(0, limit)
        .map(({ passwordHash: _, ...user }) => user),
    );
  }

  private administrate(id: string, changed: (user: UserWithPassword) => UserWithPassword): Promise<DirectoryChange> {
    return this.store.alone(async () => {
      const user = this.store.users.get(id);
      if (user === undefined) return 'user_not_found';
      const others = [...this.store.users.values()].filter((other) => other.id !== id);
      const next = changed(user);
      if (administers(user) && ![next, ...others].some(administers)) return 'last_admin';
      this.store.users.set(id, next);
      return 'changed';
    });
  }

  private change(id: string, changed: (user: UserWithPassword) => UserWithPassword | false): Promise<boolean> {
    return this.store.alone(async () => {
      const user = this.store.users.get(id);
      const next = user !== undefined && changed(user);
      if (next) this.store.users.set(id, next);
      return next !== false;
    });
  }
}
