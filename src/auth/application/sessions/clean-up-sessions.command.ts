import { Command } from '@nestjs/cqrs';

export interface CleanUp {
  readonly sessions: number;
  readonly revocations: number;
  /** Months of the event log. */
  readonly auditMonths: number;
}

/**
 * Deletes what nobody can use or asks after any more: sessions past their absolute limit and retention, old revocations,
 * and months of the event log past theirs, where one is configured. It changes no answer. A dry run only counts.
 */
export class CleanUpSessionsCommand extends Command<CleanUp> {
  constructor(
    readonly dryRun = false,
    /** Ends it after the batch that is under way; the next clean-up goes on. */
    readonly stop?: AbortSignal,
  ) {
    super();
  }
}
