/** Reads users' current roles from their directory. Without this port, the roles in the access token apply. */
export abstract class CurrentRoles {
  /** Null if there is no such user, or the user is inactive. */
  abstract rolesOf(userId: string): Promise<readonly string[] | null>;
}
