import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { RevocationFeed } from '../../../guard/ports/revocation.feed';
import { AuthOptions } from '../../options/auth.options';
import { AuthEventLog } from '../../ports/auth-event.log';
import { AuthMetrics } from '../../ports/auth-metrics';
import { SessionRepository } from '../../ports/session.repository';
import { type CleanUp, CleanUpSessionsCommand } from './clean-up-sessions.command';

/** Small enough that a refresh never waits for a batch. */
const BATCH = 1000;

@CommandHandler(CleanUpSessionsCommand)
export class CleanUpSessionsHandler implements ICommandHandler<CleanUpSessionsCommand> {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly revocations: RevocationFeed,
    private readonly log: AuthEventLog,
    private readonly options: AuthOptions,
    private readonly metrics: AuthMetrics,
  ) {}

  async execute({ dryRun, stop }: CleanUpSessionsCommand): Promise<CleanUp> {
    const { auditRetentionSeconds } = this.options;
    const cleanUp = {
      sessions: dryRun ? await this.sessions.countEnded() : await this.deleteSessions(stop),
      revocations: await this.revocations.purge(dryRun, stop),
      auditMonths: auditRetentionSeconds === null ? 0 : await this.log.dropOlderThan(auditRetentionSeconds, dryRun),
    };
    if (!dryRun) {
      this.metrics.cleanedUp('sessions', cleanUp.sessions);
      this.metrics.cleanedUp('revocations', cleanUp.revocations);
      this.metrics.cleanedUp('audit_months', cleanUp.auditMonths);
    }
    return cleanUp;
  }

  /** Deletes in batches until nothing is left, another instance cleans up, or `stop` is aborted. */
  private async deleteSessions(stop?: AbortSignal): Promise<number> {
    let total = 0;
    while (!stop?.aborted) {
      const deleted = await this.sessions.deleteEnded(BATCH);
      if (deleted === null || deleted === 0) break;
      total += deleted;
    }
    return total;
  }
}
