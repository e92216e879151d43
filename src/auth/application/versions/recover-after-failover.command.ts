import { Command } from '@nestjs/cqrs';
import type { Actor } from '../actor';

/** The end of the recovery epoch. */
export interface RecoveryEpoch {
  /** On the database's clock; null if there never was an epoch. */
  readonly recoveryUntil: Date | null;
}

/**
 * Declares a recovery epoch, after a failover that lost commits: until its end, a refresh token that is ahead of its session
 * by up to 16 generations is adopted, and a session with two branches ends. Run again it moves the end; 0 seconds end it, and
 * change nothing if none is open.
 */
export class RecoverAfterFailoverCommand extends Command<RecoveryEpoch> {
  constructor(
    /** Why, in words, for the record: 1 to 500 characters. */
    readonly reason: string,
    /** Whole seconds, at most 7 days; by default a day. */
    readonly forSeconds: number = 24 * 60 * 60,
    readonly actor: Actor = {},
  ) {
    super();
  }
}
