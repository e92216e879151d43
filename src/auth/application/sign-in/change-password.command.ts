import { Command } from '@nestjs/cqrs';
import type { Result } from '../../domain/result';
import type { Client, Delivery } from '../../domain/session';
import type { TokenPair } from '../token-pair.issuer';

/** Why a password is unchanged. */
export type PasswordChangeRefusal =
  /** The current password is wrong, or the caller's session has ended. */
  | { readonly kind: 'invalid_credentials' }
  /** `message` is the broken rule; it begins with the name of the field. */
  | { readonly kind: 'invalid'; readonly path: 'newPassword'; readonly message: string };

/** The new session, with the delivery (body or cookie) of the old one. */
export interface ChangedPassword {
  readonly pair: TokenPair;
  readonly delivery: Delivery;
}

/** Replaces the password, ends every session, and returns a new session for the caller (ASVS 5.0 7.4.3). */
export class ChangePasswordCommand extends Command<Result<ChangedPassword, PasswordChangeRefusal>> {
  constructor(
    readonly userId: string,
    /** The caller's session; the new one keeps its device and its delivery. */
    readonly sessionId: string,
    readonly currentPassword: string,
    readonly newPassword: string,
    readonly client: Client = {},
  ) {
    super();
  }
}
