import { Command } from '@nestjs/cqrs';
import type { Actor } from '../actor';

/**
 * Ends a session. With `of`, only one of that user's own; without, whosever it is, for administrators. False for an unknown
 * one and for one of somebody else, true also when it was over already.
 */
export class RevokeSessionCommand extends Command<boolean> {
  readonly of: string | undefined;
  readonly actor: Actor;

  constructor(
    readonly sessionId: string,
    { of, actor = {} }: { readonly of?: string; readonly actor?: Actor } = {},
  ) {
    super();
    this.of = of;
    this.actor = actor;
  }
}
