import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { callAfterCommit, UnitOfWork } from '../../ports/unit-of-work';
import { failedWith } from './sql-state';

const MAX_TRIES = 3;
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK = '40P01';

interface Transaction {
  readonly manager: EntityManager;
  readonly afterCommit: (() => void)[];
}

/** Carries the transaction's EntityManager along the call chain, so that repositories join it by themselves. */
@Injectable()
export class TypeOrmUnitOfWork extends UnitOfWork {
  private readonly logger = new Logger(UnitOfWork.name);
  private readonly transaction = new AsyncLocalStorage<Transaction>();

  constructor(private readonly dataSource: DataSource) {
    super();
  }

  /** The current transaction's manager, or the pool's outside of one. */
  get manager(): EntityManager {
    return this.transaction.getStore()?.manager ?? this.dataSource.manager;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.transaction.getStore() !== undefined) return work();
    for (let tries = 1; ; tries++) {
      const afterCommit: (() => void)[] = [];
      try {
        const result = await this.dataSource.transaction('READ COMMITTED', (manager) =>
          this.transaction.run({ manager, afterCommit }, async () => {
            const result = await work();
            // COMMIT of a failed transaction is a rollback and no error: work that caught one would believe in what it
            // did. Any other statement fails.
            await manager.query('SELECT 1');
            return result;
          }),
        );
        callAfterCommit(afterCommit, this.logger);
        return result;
      } catch (error) {
        if (tries === MAX_TRIES || !failedWith(error, SERIALIZATION_FAILURE, DEADLOCK)) throw error;
        await delay(Math.random() * 20 * tries);
      }
    }
  }

  afterCommit(effect: () => void): void {
    const transaction = this.transaction.getStore();
    if (transaction === undefined) effect();
    else transaction.afterCommit.push(effect);
  }
}
