import { UnitOfWork } from '../index';
import type { InMemoryStore } from './in-memory-store';

/** One unit of work at a time, so none ever meets a serialization failure. */
export class InMemoryUnitOfWork extends UnitOfWork {
  constructor(private readonly store: InMemoryStore) {
    super();
  }

  run<T>(work: () => Promise<T>): Promise<T> {
    return this.store.alone(work);
  }

  afterCommit(effect: () => void): void {
    this.store.afterCommit(effect);
  }
}
