import { Command } from '@nestjs/cqrs';
import type { Actor } from '../actor';

/** The global version before and after, and the number of sessions that ended. */
export interface Recovery {
  readonly previousVersion: number;
  readonly newVersion: number;
  readonly revokedSessions: number;
}

/**
 * Makes a database safe that was restored or has lost commits, before the application serves again: superseded tokens are
 * current in it, and floors are lower than they were. The global version rises by 1,000, and all sessions end.
 */
export class RecoverAfterRestoreCommand extends Command<Recovery> {
  constructor(readonly actor: Actor = {}) {
    super();
  }
}
