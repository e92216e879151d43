import { Command } from '@nestjs/cqrs';
import type { RevocationReason } from '../../domain/refusals';
import type { Actor } from '../actor';

/** Ends all of a user's sessions and raises the floor. Answers how many sessions it ended, 0 for an unknown user. */
export class RevokeUserSessionsCommand extends Command<number> {
  constructor(
    readonly userId: string,
    readonly reason: RevocationReason = 'user_logout_all',
    readonly actor: Actor = {},
  ) {
    super();
  }
}
