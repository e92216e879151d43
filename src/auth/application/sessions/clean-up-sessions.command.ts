import { Command } from '@nestjs/cqrs';

/** How many rows, and partitions of the event log, a clean-up deleted, and how many rows it marked. */
export interface CleanUp {
  readonly sessions: number;
  /** Sessions that had ended with all of their user's, and show it now; 0 in a dry run. */
  readonly markedSessions: number;
  /** Sessions above the limit of their user that a sign-in left; 0 in a dry run. */
  readonly evictedSessions: number;
  readonly revocations: number;
  /** Partitions of the event log. */
  readonly auditPartitions: number;
  /** Events that were in no partition but DEFAULT. */
  readonly auditRows: number;
  /** The steps that failed; each counts as 0 then, and the others are done. */
  readonly failures: readonly CleanUpFailure[];
}

/** A step of a clean-up that failed, with the message of its error. */
export interface CleanUpFailure {
  readonly step:
    'sessions' | 'marks of ended sessions' | 'sessions above the limit' | 'revocations' | 'the audit trail';
  readonly problem: string;
}

/**
 * Deletes sessions past their absolute limit and retention, old revocations, and partitions of the event log past their
 * retention, if one is configured. It also marks sessions that have ended and do not show it yet, because the process that
 * ended them died, and ends those above the limit of their user that a sign-in had no time for. Each of these steps fails
 * alone. The rest of a clean-up changes no answer. A dry run only counts what would be deleted.
 */
export class CleanUpSessionsCommand extends Command<CleanUp> {
  constructor(
    readonly dryRun = false,
    /** Stops the clean-up after the current batch; the next clean-up continues. */
    readonly stop?: AbortSignal,
  ) {
    super();
  }
}
