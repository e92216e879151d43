/** What configuration decides about users; its own injection token. */
export abstract class UsersOptions {
  /** Mounts `POST /auth/register`. */
  abstract readonly registrationEnabled: boolean;
  /** Opened at the start while no account has ever held `admin`. */
  abstract readonly bootstrapAdmin: { readonly email: string; readonly password: string } | null;
  abstract readonly demoAccounts: boolean;
}
