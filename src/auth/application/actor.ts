import type { Client } from '../domain/session';

/** The user and client that act on another user; without a user for the system itself and the command line. */
export interface Actor {
  readonly userId?: string | undefined;
  readonly client?: Client | undefined;
}
