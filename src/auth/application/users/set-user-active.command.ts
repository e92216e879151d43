import { Command } from '@nestjs/cqrs';
import type { Result } from '../../domain/result';
import type { DirectoryChange } from '../../ports/user-directory';
import type { Actor } from '../actor';

/** Why a user is unchanged. */
export type UserChangeRefusal = Exclude<DirectoryChange, 'changed'>;

/** Deactivates a user, which ends all sessions and access tokens of the user, or lets the user sign in again. */
export class SetUserActiveCommand extends Command<Result<void, UserChangeRefusal>> {
  constructor(
    readonly userId: string,
    readonly isActive: boolean,
    readonly actor: Actor = {},
  ) {
    super();
  }
}
