import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { RevocationFeed } from '../../../guard/ports/revocation.feed';
import { messageOf } from '../../../support/message-of';
import { AuthOptions } from '../../options/auth.options';
import { AuthEventLog } from '../../ports/auth-event.log';
import { AuthMetrics } from '../../ports/auth-metrics';
import { SessionRepository } from '../../ports/session.repository';
import { SessionLimit } from './session-limit';
import { type CleanUp, type CleanUpFailure, CleanUpSessionsCommand } from './clean-up-sessions.command';

/** Small enough that a refresh never waits for a batch. */
const BATCH = 1000;

@CommandHandler(CleanUpSessionsCommand)
export class CleanUpSessionsHandler implements ICommandHandler<CleanUpSessionsCommand> {
  constructor(
    private readonly sessions: SessionRepository,
    private readonly limit: SessionLimit,
    private readonly revocations: RevocationFeed,
    private readonly log: AuthEventLog,
    private readonly options: AuthOptions,
    private readonly metrics: AuthMetrics,
  ) {}

  async execute({ dryRun, stop }: CleanUpSessionsCommand): Promise<CleanUp> {
    const { auditRetentionSeconds } = this.options;
    const failures: CleanUpFailure[] = [];
    // The role may have no right to one of them, and the others keep tables small all the same.
    const attempt = async <T>(step: CleanUpFailure['step'], work: () => Promise<T>, nothing: T): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        failures.push({ step, problem: messageOf(error) });
        return nothing;
      }
    };
    const sessions = await attempt(
      'sessions',
      () => (dryRun ? this.sessions.countEnded() : this.deleteSessions(stop)),
      0,
    );
    const markedSessions = dryRun
      ? 0
      : await attempt('marks of ended sessions', () => this.sessions.markEnded(null, stop), 0);
    const evictedSessions = dryRun
      ? 0
      : await attempt('sessions above the limit', () => this.limit.evictTheRest(stop), 0);
    const revocations = await attempt('revocations', () => this.revocations.purge(dryRun, stop), 0);
    const nothing = { partitions: 0, rows: 0 };
    const audit =
      auditRetentionSeconds === null
        ? nothing
        : await attempt('the audit trail', () => this.log.dropOlderThan(auditRetentionSeconds, dryRun, stop), nothing);
    const { partitions: auditPartitions, rows: auditRows } = audit;
    const cleanUp = { sessions, markedSessions, evictedSessions, revocations, auditPartitions, auditRows, failures };
    if (!dryRun) {
      this.metrics.cleanedUp('sessions', cleanUp.sessions);
      this.metrics.sessionsMarked(cleanUp.markedSessions);
      this.metrics.cleanedUp('revocations', cleanUp.revocations);
      this.metrics.cleanedUp('audit_partitions', cleanUp.auditPartitions);
      this.metrics.cleanedUp('audit_rows', cleanUp.auditRows);
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
