/** The roles of users as their directory knows them now. Where it is missing, the roles in the access token count. */
export abstract class CurrentRoles {
  /** Null where there is no such user, or an inactive one. */
  abstract rolesOf(userId: string): Promise<readonly string[] | null>;
}
