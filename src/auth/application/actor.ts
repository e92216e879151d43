import type { Client } from '../domain/session';

/** Who does something to someone else, and from where; nobody for the system itself and the command line. */
export interface Actor {
  readonly userId?: string | undefined;
  readonly client?: Client | undefined;
}
