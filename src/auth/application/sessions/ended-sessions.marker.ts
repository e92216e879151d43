import { AsyncResource } from 'node:async_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Outage } from '../../../support/outage';
import { AuthMetrics } from '../../ports/auth-metrics';
import { SessionRepository } from '../../ports/session.repository';
import { UnitOfWork } from '../../ports/unit-of-work';

/**
 * Housekeeping after all sessions of a user have ended at once: the raise of the floor ended them, and their rows are marked
 * after the answer. Nothing depends on it, so what fails here or dies with the process is left to the next clean-up.
 */
@Injectable()
export class EndedSessionsMarker implements OnApplicationShutdown {
  private readonly outage = new Outage(new Logger(EndedSessionsMarker.name), 'Ended sessions are marked again');
  private readonly stop = new AbortController();
  private readonly waiting = new Set<string>();
  private running: Promise<void> | null = null;
  // Without a resource of its own it would run in the context of the ending that started it: in a host's transaction.
  private readonly own = new AsyncResource('RatchetEndedSessionsMarker');

  constructor(
    private readonly sessions: SessionRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly metrics: AuthMetrics,
  ) {}

  /** Marks the user's sessions once the current unit of work has committed; one user after the other. */
  markAfterCommit(userId: string): void {
    this.unitOfWork.afterCommit(() => {
      if (this.stop.signal.aborted) return;
      this.waiting.add(userId);
      this.running ??= this.own.runInAsyncScope(() => this.run());
    });
  }

  async onApplicationShutdown(): Promise<void> {
    this.stop.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    await nextTurn(); // the answer goes first
    for (const userId of this.waiting) {
      this.waiting.delete(userId);
      if (this.stop.signal.aborted) break;
      try {
        this.metrics.sessionsMarked(await this.sessions.markEnded(userId, this.stop.signal));
        this.outage.ends();
      } catch (error) {
        this.outage.goesOn(`Ended sessions could not be marked, the next clean-up tries again: ${String(error)}`);
      }
    }
    this.running = null;
  }
}
