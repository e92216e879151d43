import { Command } from '@nestjs/cqrs';
import type { Result } from '../../domain/result';
import type { Actor } from '../actor';
import type { UserChangeRefusal } from './set-user-active.command';

/** Replaces a user's roles. The removal of a role raises the user's floor, so that no token keeps the role. */
export class SetUserRolesCommand extends Command<Result<void, UserChangeRefusal>> {
  constructor(
    readonly userId: string,
    readonly roles: readonly string[],
    readonly actor: Actor = {},
  ) {
    super();
  }
}
