import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { AuthOptions } from '../../options/auth.options';
import { CleanUpSessionsCommand } from './clean-up-sessions.command';

/** Cleans up at intervals. Every instance does; if several run at once, one does the work. */
@Injectable()
export class CleanUpSchedule implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(CleanUpSchedule.name);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private readonly stop = new AbortController();

  constructor(
    private readonly commands: CommandBus,
    private readonly options: AuthOptions,
  ) {}

  onApplicationBootstrap(): void {
    const { cleanUpIntervalSeconds } = this.options;
    if (cleanUpIntervalSeconds === 0) return;
    this.timer = setInterval(() => {
      this.running = this.running.then(() => this.cleanUp());
    }, cleanUpIntervalSeconds * 1000).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.stop.abort();
    await this.running;
  }

  private async cleanUp(): Promise<void> {
    try {
      const command = new CleanUpSessionsCommand(false, this.stop.signal);
      const { sessions, revocations, auditPartitions, auditRows, markedSessions, evictedSessions, failures } =
        await this.commands.execute(command);
      for (const { step, problem } of failures)
        this.logger.warn(`The clean-up of ${step} failed, the next one tries again: ${problem}`);
      this.logger.log(
        `Cleaned up ${sessions} sessions, ${revocations} revocations, ${auditPartitions} partitions and ${auditRows} rows ` +
          `of events; marked ${markedSessions} ended sessions and ended ${evictedSessions} above the limit`,
      );
    } catch (error) {
      this.logger.warn(`The clean-up failed, the next one tries again: ${String(error)}`);
    }
  }
}
