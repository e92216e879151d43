import { AsyncResource } from 'node:async_hooks';
import { inTime } from '../../../support/in-time';
import { NotRecorded } from '../../../support/overloaded';
import type { AuthEvent } from '../../domain/events';

const MAX_WAITING = 10_000;
const MAX_BATCH = 500;

interface Waiting {
  readonly events: readonly AuthEvent[];
  readonly stored: (events: readonly AuthEvent[]) => void;
  readonly failed: (error: unknown) => void;
  readonly deadline: NodeJS.Timeout;
}

/**
 * Lets concurrent callers share one insert: while a batch is being written, the next one gathers. The events of one
 * call stay together, and a batch that the database refuses for its data is split, so that one bad record fails alone.
 */
export class GroupCommitter {
  private waiting: Waiting[] = [];
  private flushing: Promise<void> | null = null;
  // Without a resource of its own, a batch would run in its first caller's AsyncLocalStorage context: in its transaction.
  private readonly own = new AsyncResource('RatchetGroupCommitter');

  constructor(
    private readonly store: (events: readonly AuthEvent[]) => Promise<readonly AuthEvent[]>,
    private readonly deadlineMs: number,
    private readonly observe: { queue(depth: number): void; batch(size: number): void },
  ) {}

  /**
   * Resolves with the stored events once they are durable.
   * @throws NotRecorded after the deadline, or at once when too many wait
   */
  add(events: readonly AuthEvent[]): Promise<readonly AuthEvent[]> {
    if (this.waiting.length >= MAX_WAITING)
      return Promise.reject(new NotRecorded('Too many records wait to be stored'));
    return new Promise((stored, failed) => {
      const one: Waiting = { events, stored, failed, deadline: setTimeout(() => this.giveUp(one), this.deadlineMs) };
      this.waiting.push(one);
      this.observe.queue(this.waiting.length);
      this.flushing ??= this.own.runInAsyncScope(() => this.flush());
    });
  }

  /** Resolves when nothing waits any more. */
  async drained(): Promise<void> {
    await this.flushing;
  }

  private async flush(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, MAX_BATCH);
      this.observe.queue(this.waiting.length);
      this.observe.batch(batch.length);
      await this.write(batch);
    }
    this.flushing = null;
  }

  private async write(batch: readonly Waiting[]): Promise<void> {
    try {
      // Its callers have all given up by then; those of the next batch must not wait for one that never ends.
      const insert = this.store(batch.flatMap(({ events }) => events));
      const stored = new Set(await inTime(insert, this.deadlineMs));
      for (const one of batch) {
        clearTimeout(one.deadline);
        one.stored(one.events.filter((event) => stored.has(event)));
      }
    } catch (error) {
      if (batch.length > 1 && isDataException(error)) {
        const middle = batch.length >> 1;
        await this.write(batch.slice(0, middle));
        await this.write(batch.slice(middle));
        return;
      }
      for (const one of batch) {
        clearTimeout(one.deadline);
        one.failed(new NotRecorded('The record could not be stored', 1, { cause: error }));
      }
    }
  }

  private giveUp(one: Waiting): void {
    const place = this.waiting.indexOf(one);
    if (place >= 0) this.waiting.splice(place, 1);
    one.failed(new NotRecorded('The record was not stored in time'));
  }
}

/** SQLSTATE class 22: a value that the database cannot store. */
function isDataException(error: unknown): boolean {
  const { code } = ((error as { driverError?: unknown }).driverError ?? error) as { code?: string };
  return code?.startsWith('22') === true;
}
