import { Command } from '@nestjs/cqrs';
import type { Client } from '../domain/session';

/** Ends one of a user's own sessions. False for an unknown one and for somebody else's, true also when it was over already. */
export class RevokeSessionCommand extends Command<boolean> {
  constructor(
    readonly userId: string,
    readonly sessionId: string,
    readonly client: Client = {},
  ) {
    super();
  }
}
