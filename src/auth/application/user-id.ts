import type { UserDirectory } from '../ports/user-directory';

/**
 * The directory's spelling of an id that a caller gave: auth compares ids as texts, and a directory may find a user by several.
 * Of an unknown user, whose sessions may still be there, it is the caller's.
 */
export const spelledByDirectory = async (users: UserDirectory, userId: string): Promise<string> =>
  (await users.findById(userId))?.id ?? userId;
