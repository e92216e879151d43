import { Command } from '@nestjs/cqrs';
import type { Client } from '../../domain/session';

/** Any genuine token of the session, including a superseded or expired one. */
export type LogOutToken = { readonly refreshToken: string } | { readonly accessToken: string };

/**
 * Ends a session (RFC 7009 section 2.2: an unknown token is not an error). Returns the number of ended sessions: 0 or 1. Log-outs
 * that end nothing are limited, and throw `Throttled` beyond the limit.
 */
export class LogOutCommand extends Command<number> {
  constructor(
    readonly token: LogOutToken,
    readonly client: Client = {},
  ) {
    super();
  }
}
