import { Command } from '@nestjs/cqrs';
import type { RevocationReason } from '../../domain/refusals';
import type { Actor } from '../actor';

/** Ends all of a user's sessions and raises the user's floor. Returns the number of ended sessions, 0 for an unknown user. */
export class RevokeUserSessionsCommand extends Command<number> {
  constructor(
    readonly userId: string,
    readonly reason: RevocationReason = 'user_logout_all',
    readonly actor: Actor = {},
  ) {
    super();
  }
}
