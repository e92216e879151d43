import { Command } from '@nestjs/cqrs';
import type { Result } from '../../domain/result';
import type { Client, Delivery } from '../../domain/session';
import type { TokenPair } from '../token-pair.issuer';

export type PasswordChangeRefusal =
  /** The current password is wrong, or what it was asked in has ended. */
  | { readonly kind: 'invalid_credentials' }
  /** `message` is a rule in words, beginning with the name of the field. */
  | { readonly kind: 'invalid'; readonly path: 'newPassword'; readonly message: string };

/** The new session; its refresh token goes the way that the old one's went. */
export interface ChangedPassword {
  readonly pair: TokenPair;
  readonly delivery: Delivery;
}

/** Replaces the password, ends every session, and answers a new one for the caller (ASVS 5.0 7.4.3). */
export class ChangePasswordCommand extends Command<Result<ChangedPassword, PasswordChangeRefusal>> {
  constructor(
    readonly userId: string,
    /** The session that asks; the new one takes over its device and its delivery. */
    readonly sessionId: string,
    readonly currentPassword: string,
    readonly newPassword: string,
    readonly client: Client = {},
  ) {
    super();
  }
}
