import { Command } from '@nestjs/cqrs';
import type { Actor } from '../actor';

/**
 * Ends a session. With `of`, only a session of that user; without it, a session of any user, for administrators. Returns
 * false if there is no such session, or if it belongs to another user; returns true if it had already ended.
 */
export class RevokeSessionCommand extends Command<boolean> {
  readonly of: string | undefined;
  readonly actor: Actor;

  constructor(
    readonly sessionId: string,
    options: { readonly of?: string; readonly actor?: Actor } = {},
  ) {
    super();
    // Without a compiler it may be there and be undefined: an id that is missing is a bad one, and does not mean anybody's.
    this.of = 'of' in options ? (options.of ?? '') : undefined;
    this.actor = options.actor ?? {};
  }
}
