import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { EventEmitter2 } from '@nestjs/event-emitter';
import { v7 as uuidv7 } from 'uuid';
import { type AuthEvent, classOf, RefusalsAggregated } from '../../domain/events';
import { AuthOptions } from '../../options/auth.options';
import { AuthEventLog } from '../../ports/auth-event.log';
import { AuthEvents, type RecordBound } from '../../ports/auth-events';
import { AuthMetrics } from '../../ports/auth-metrics';
import { Clock } from '../../ports/clock';
import { UnitOfWork } from '../../ports/unit-of-work';
import { GroupCommitter } from './group-committer';
import { JunkLimit } from './junk-limit';
import { RecordBounds, type Sum } from './record-bounds';

const ONE_MINUTE_MS = 60_000;

/** Records by group commit, then dispatches through @nestjs/event-emitter. Junk has a queue of its own. */
@Injectable()
export class RecordedAuthEvents extends AuthEvents implements OnApplicationShutdown {
  private readonly logger = new Logger(AuthEvents.name);
  private readonly endings: GroupCommitter;
  private readonly junk: GroupCommitter;
  private readonly junkLimit = new JunkLimit();
  private readonly bounds = new RecordBounds();
  private readonly minute: NodeJS.Timeout;

  constructor(
    log: AuthEventLog,
    private readonly emitter: EventEmitter2,
    private readonly metrics: AuthMetrics,
    private readonly clock: Clock,
    private readonly unitOfWork: UnitOfWork,
    options: AuthOptions,
  ) {
    super();
    const store = (events: readonly AuthEvent[]) => log.appendNew(events);
    this.endings = new GroupCommitter(store, options.auditDeadlineMs, {
      queue: (depth) => this.metrics.auditQueue(depth),
      batch: (size) => this.metrics.auditBatch(size),
    });
    this.junk = new GroupCommitter(store, options.auditDeadlineMs, { queue: () => undefined, batch: () => undefined });
    this.minute = setInterval(() => this.recordAggregates(), ONE_MINUTE_MS).unref();
  }

  async record(events: readonly AuthEvent[]): Promise<void> {
    this.dispatch(await this.endings.add(events));
  }

  async recordUpTo(bound: RecordBound, events: readonly AuthEvent[]): Promise<void> {
    const now = this.clock.now();
    if (!this.bounds.allows(bound, now)) {
      const ending = events.at(-1);
      if (ending !== undefined && !this.bounds.add(bound, ending)) this.junkLimit.add(ending.context.ipAddress);
      return;
    }
    try {
      await this.record(events);
    } catch (error) {
      this.bounds.giveBack(bound, now);
      throw error;
    }
  }

  recordJunk(events: readonly AuthEvent[]): void {
    const ip = events[0]?.context.ipAddress ?? null;
    if (!this.junkLimit.allows(ip, this.clock.now())) return;
    this.junk.add(events).then(
      (stored) => this.dispatch(stored),
      () => this.junkLimit.add(ip),
    );
  }

  dispatch(events: readonly AuthEvent[]): void {
    this.unitOfWork.afterCommit(() => {
      for (const event of events) void this.emit(event);
    });
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.minute);
    this.recordAggregates();
    await Promise.all([this.endings.drained(), this.junk.drained()]);
  }

  private async emit(event: AuthEvent): Promise<void> {
    const { type } = classOf(event);
    try {
      await this.emitter.emitAsync(type, event);
    } catch (error) {
      this.metrics.listenerFailed(type);
      this.logger.error(`A listener of ${type} failed: ${String(error)}`);
    }
  }

  private recordAggregates(): void {
    const junk = { ...this.junkLimit.take(), eventType: null, userId: null, sessionId: null };
    for (const sum of [junk, ...this.bounds.take()]) if (sum.count > 0) this.recordAggregate(sum);
  }

  private recordAggregate({ count, distinctIps, eventType, userId, sessionId }: Sum): void {
    const context = {
      eventId: uuidv7(),
      occurredAt: this.clock.now(),
      attemptId: null,
      userId,
      sessionId,
      generation: null,
      ipAddress: null,
      userAgent: 'Unknown',
    };
    this.junk.add([new RefusalsAggregated(context, count, distinctIps, eventType)]).then(
      (stored) => this.dispatch(stored),
      (error: unknown) => this.logger.warn(`${count} refusals of the last minute have no record: ${String(error)}`),
    );
  }
}
