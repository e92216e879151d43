import { Command } from '@nestjs/cqrs';
import type { Client } from '../../domain/session';

/** Ends all of a user's sessions and raises the floor, so that access tokens die with them. Answers how many sessions it ended. */
export class LogOutEverywhereCommand extends Command<number> {
  constructor(
    readonly userId: string,
    readonly client: Client = {},
  ) {
    super();
  }
}
