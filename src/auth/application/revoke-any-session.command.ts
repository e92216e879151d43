import { Command } from '@nestjs/cqrs';
import type { Actor } from './actor';

/** Ends a session, whoever's it is: for administrators. False for an unknown one, true also when it was over already. */
export class RevokeAnySessionCommand extends Command<boolean> {
  constructor(
    readonly sessionId: string,
    readonly actor: Actor = {},
  ) {
    super();
  }
}
