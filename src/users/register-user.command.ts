import { Command } from '@nestjs/cqrs';
import type { Client, Result } from '../index';

export interface RegisteredUser {
  readonly id: string;
  readonly email: string;
  readonly roles: readonly string[];
  readonly createdAt: Date;
}

export type RegistrationRefusal =
  | { readonly kind: 'email_taken' }
  /** `message` is a rule in words, beginning with the name of the field. */
  | { readonly kind: 'invalid'; readonly path: 'email' | 'password' | 'displayName'; readonly message: string };

/** Opens an account with the role `user`. */
export class RegisterUserCommand extends Command<Result<RegisteredUser, RegistrationRefusal>> {
  constructor(
    readonly email: string,
    readonly password: string,
    readonly displayName?: string,
    readonly client: Client = {},
  ) {
    super();
  }
}
