import { Command } from '@nestjs/cqrs';
import type { Client } from '../../domain/session';

/** Ends all of a user's sessions and raises the user's floor, so that access tokens end with them. Returns the number of ended sessions. */
export class LogOutEverywhereCommand extends Command<number> {
  constructor(
    readonly userId: string,
    readonly client: Client = {},
  ) {
    super();
  }
}
