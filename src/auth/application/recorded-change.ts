import { Injectable } from '@nestjs/common';
import type { AuthEvent } from '../domain/events';
import { AuthEventLog } from '../ports/auth-event.log';
import { AuthEvents } from '../ports/auth-events';
import { UnitOfWork } from '../ports/unit-of-work';

/** The result of a change, and the events that record it; no events if nothing changed. */
export interface Recorded<T> {
  readonly value: T;
  readonly events: readonly AuthEvent[];
  /**
   * A change of the host's users. It runs after the records are stored, since a directory outside of this database keeps its
   * change even if a later step fails. Resolves to null, or to the answer with which everything else is undone.
   */
  readonly last?: () => Promise<T | null>;
}

/** Commits a change together with its records: all of it, or nothing. @internal */
@Injectable()
export class RecordedChange {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly log: AuthEventLog,
    private readonly events: AuthEvents,
  ) {}

  /**
   * Runs `work` in a unit of work, stores its events in it, and dispatches them to the listeners after the outermost unit of
   * work has committed: once, however often it was tried. Inside another unit of work, an answer of `last` undoes nothing
   * until that outer one is undone.
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
