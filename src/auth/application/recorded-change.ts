import { Injectable } from '@nestjs/common';
import type { AuthEvent } from '../domain/events';
import { AuthEventLog } from '../ports/auth-event.log';
import { AuthEvents } from '../ports/auth-events';
import { UnitOfWork } from '../ports/unit-of-work';

/** What a change answers, and the events that record it; none where nothing was changed. */
export interface Recorded<T> {
  readonly value: T;
  readonly events: readonly AuthEvent[];
  /**
   * A change of the host's users. It comes after the records, since a directory outside of this database keeps what it
   * has changed, whatever comes after. Resolves to null, or to the answer with which everything is undone.
   */
  readonly last?: () => Promise<T | null>;
}

/** Commits a change together with its records: all of it, or nothing. */
@Injectable()
export class RecordedChange {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly log: AuthEventLog,
    private readonly events: AuthEvents,
  ) {}

  /**
   * Runs `work` as a unit of work, stores its events in it, and hands them to the listeners once the outermost unit of work
   * has committed: once, however often that was tried. Within another unit of work, an answer of `last` undoes nothing
   * before that one is undone.
   */
  async commit<T>(work: () => Promise<Recorded<T>>): Promise<T> {
    try {
      return await this.unitOfWork.run(async () => {
        const { value, events, last } = await work();
        if (events.length > 0) await this.log.append(events);
        this.events.dispatch(events);
        const undoing = (await last?.()) ?? null;
        if (undoing !== null) throw new Undone(undoing);
        return value;
      });
    } catch (error) {
      if (error instanceof Undone) return error.answer as T;
      throw error;
    }
  }
}

class Undone extends Error {
  constructor(readonly answer: unknown) {
    super('The unit of work is undone');
  }
}
