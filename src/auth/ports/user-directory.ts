import type { RefreshUser } from '../domain/refresh-decision';

export type DirectoryUser = RefreshUser;

export interface UserWithPassword extends DirectoryUser {
  readonly passwordHash: string;
}

/** Whether a user can administer. A directory refuses the change that leaves nobody who can. */
export const administers = ({ isActive, roles }: DirectoryUser): boolean => isActive && roles.includes('admin');

/** `last_admin`: refused, since nobody would be left who can administer. */
export type DirectoryChange = 'changed' | 'user_not_found' | 'last_admin';

/** A user table in auth's own database, so that the refresh can read it together with the session. Column names, unquoted. */
export interface UserTable {
  readonly table: string;
  readonly id: string;
  readonly email: string;
  readonly roles: string;
  readonly isActive: string;
}

/**
 * The host's users. Ids are UUIDs. Version floors are not among its duties: they stay in auth's own table.
 * A missing optional method switches the routes off that need it.
 */
export abstract class UserDirectory {
  /** When set, a refresh reads the user in the same statement as the session, and {@link findById} is not asked. */
  readonly joinable?: UserTable;

  /** The user, active or not; null when there is none. */
  abstract findById(id: string): Promise<DirectoryUser | null>;

  /** The user behind a login name (normalised by the directory) with the stored hash; null when there is none. */
  abstract findByLogin(login: string): Promise<UserWithPassword | null>;

  /**
   * The user with the stored hash; null when there is none. For directories whose login name is not the e-mail: without it
   * a password change looks the user up by the e-mail.
   */
  findByIdWithPassword?(id: string): Promise<UserWithPassword | null>;

  /**
   * One conditional write: stores `next` only while `verified` is still the stored hash, else changes nothing and
   * answers false. Joins the current unit of work where the table is in auth's database.
   */
  abstract replacePasswordHash(id: string, verified: string, next: string): Promise<boolean>;

  /** Joins the current unit of work where the table is in auth's database. */
  setActive?(id: string, isActive: boolean): Promise<DirectoryChange>;

  /** Joins the current unit of work where the table is in auth's database. */
  setRoles?(id: string, roles: readonly string[]): Promise<DirectoryChange>;
}
