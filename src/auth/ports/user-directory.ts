import { userIdProblem } from '../domain/input-rules';
import type { RefreshUser } from '../domain/refresh-decision';

/**
 * A user as the directory returns it.
 * @interface
 */
export type DirectoryUser = RefreshUser;

/** A user with the stored hash of the password. */
export interface UserWithPassword extends DirectoryUser {
  /** As `PasswordHasher.hash` returned it. */
  readonly passwordHash: string;
}

/** Whether a user can administer. A directory refuses the change that leaves nobody who can. */
export const administers = ({ isActive, roles }: DirectoryUser): boolean => isActive && roles.includes('admin');

/**
 * The user that `source` of a directory has returned, held to the port's promise; undefined is null. Not every host is
 * compiled: a number for an id equals no text, and a text for the roles contains more of them than it names.
 * @throws Error naming the source, the field and the rule, never the value
 */
export function checkedUser<User extends DirectoryUser>(source: string, user: User | null | undefined): User | null {
  if (user === null || user === undefined) return null;
  const { id, email, roles, isActive }: Readonly<Record<Exclude<keyof DirectoryUser, 'claims'>, unknown>> = user;
  const problems = {
    id: userIdProblem(id),
    email: typeof email === 'string' ? null : 'must be a string',
    roles:
      Array.isArray(roles) && roles.every((role) => typeof role === 'string') ? null : 'must be an array of strings',
    isActive: typeof isActive === 'boolean' ? null : 'must be true or false',
  };
  for (const [field, problem] of Object.entries(problems))
    if (problem !== null)
      throw new Error(`${source} of the UserDirectory has returned a user whose ${field} ${problem}`);
  return user;
}

/** The outcome of a change. `last_admin`: refused, since no active administrator would be left. */
export type DirectoryChange = 'changed' | 'user_not_found' | 'last_admin';

/**
 * A user table in auth's own database, so that the refresh can read it together with the session: unquoted names of the table
 * and its columns.
 */
export interface UserTable {
  /** Without one, PostgreSQL finds the table by the connection's `search_path`. */
  readonly schema?: string | undefined;
  readonly table: string;
  /** The column of the id. */
  readonly id: string;
  /**
   * The type of the id's column. Auth keeps ids as text and casts its own side of the comparison, so that the table's index
   * serves; a text that is no such id finds no user.
   */
  readonly idType: 'uuid' | 'text' | 'integer' | 'bigint';
  /** The column of the e-mail: text. */
  readonly email: string;
  /** The column of the roles: an array of text. */
  readonly roles: string;
  /** The column that says whether the user is active: boolean. */
  readonly isActive: string;
  /** A column of type json or jsonb with the user's claims; without it, users that are joined have none. */
  readonly claims?: string | undefined;
}

/**
 * The host's users. An id is a text of 1 to 128 characters without control characters, and the directory's spelling counts:
 * whatever id a caller passes, auth continues with the `id` of the user that was found, which is the stored one and not the one
 * that was asked for. A text that is no id of the directory's is that of no user, never an error. What a directory returns is
 * checked: a number for an id, a string for the roles or a number for `isActive` is an error. A directory does not store version floors: they stay in auth's own table. Without an
 * optional method, the commands that call it fail.
 */
export abstract class UserDirectory {
  /** If set, a refresh reads the user in the same statement as the session, and does not call {@link findById}. */
  readonly joinable?: UserTable;

  /** Finds a user, active or not; null if there is none. */
  abstract findById(id: string): Promise<DirectoryUser | null>;

  /** Finds the user of a login name (normalised by the directory) with the stored hash; null if there is none. */
  abstract findByLogin(login: string): Promise<UserWithPassword | null>;

  /**
   * The user with the stored hash; null when there is none. Implement it if the login name is not the e-mail: without it, a
   * password change looks the user up by the e-mail.
   */
  findByIdWithPassword?(id: string): Promise<UserWithPassword | null>;

  /**
   * One conditional write: stores `next` only while `verified` is still the stored hash; otherwise changes nothing and
   * returns false. Joins the current unit of work if the table is in auth's database.
   */
  abstract replacePasswordHash(id: string, verified: string, next: string): Promise<boolean>;

  /** Activates or deactivates a user; joins the current unit of work if the table is in auth's database. */
  setActive?(id: string, isActive: boolean): Promise<DirectoryChange>;

  /**
   * Finds users, active or not: at most `limit`, in the order of their e-mails, of those whose e-mail contains `text` in any
   * case or whose id is `text`. An empty text finds all.
   */
  search?(text: string, limit: number): Promise<readonly DirectoryUser[]>;

  /** Replaces all roles of a user; joins the current unit of work if the table is in auth's database. */
  setRoles?(id: string, roles: readonly string[]): Promise<DirectoryChange>;
}
