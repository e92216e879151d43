import { Command } from '@nestjs/cqrs';
import type { Client } from '../../domain/session';

/** Ends all of a user's sessions except one (ASVS 5.0 7.4.3). Returns the number of ended sessions. */
export class RevokeOtherSessionsCommand extends Command<number> {
  constructor(
    readonly userId: string,
    readonly currentSessionId: string,
    readonly client: Client = {},
  ) {
    super();
  }
}
