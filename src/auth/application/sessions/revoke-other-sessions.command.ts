import { Command } from '@nestjs/cqrs';
import type { Client } from '../../domain/session';

/** Ends all of a user's sessions but one (ASVS 5.0 7.4.3). Answers how many. */
export class RevokeOtherSessionsCommand extends Command<number> {
  constructor(
    readonly userId: string,
    readonly currentSessionId: string,
    readonly client: Client = {},
  ) {
    super();
  }
}
