import { Command } from '@nestjs/cqrs';

/** How many rows, and months of the event log, a clean-up deleted. */
export interface CleanUp {
  readonly sessions: number;
  readonly revocations: number;
  /** Months of the event log. */
  readonly auditMonths: number;
}

/**
 * Deletes sessions past their absolute limit and retention, old revocations, and months of the event log past their
 * retention, if one is configured. A clean-up changes no answer. A dry run only counts.
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
