import { Command } from '@nestjs/cqrs';
import type { Result } from '../../domain/result';
import type { Client } from '../../domain/session';

/** Why a password was not reset. */
export type PasswordResetRefusal =
  /** Not a ticket of these keys for a reset, too old, or used: the record says which. The user asks for a new one. */
  | { readonly kind: 'reset_ticket_invalid' }
  /** `message` is the broken rule; it begins with the name of the field. The ticket is still valid. */
  | { readonly kind: 'invalid'; readonly path: 'newPassword'; readonly message: string };

/**
 * Sets a new password by a ticket of `IssueResetTicketCommand`. Ends every session of the user and opens none: the user signs
 * in with the new password and whatever else a sign-in requires (ASVS 5.0 6.4.3). An inactive user stays inactive.
 */
export class ResetPasswordCommand extends Command<Result<void, PasswordResetRefusal>> {
  constructor(
    readonly ticket: string,
    readonly newPassword: string,
    readonly client: Client = {},
  ) {
    super();
  }
}
