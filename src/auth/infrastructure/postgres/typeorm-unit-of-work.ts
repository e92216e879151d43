import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { DataSource, EntityManager } from 'typeorm';
import { callAfterCommit, UnitOfWork } from '../../ports/unit-of-work';
import { failedWith } from './sql-state';

const MAX_TRIES = 3;
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK = '40P01';
/** What TypeORM says, and what auth needs: a host's role, database or `isolationLevel` may have other defaults. */
const START = 'START TRANSACTION';
const START_AS_NEEDED = `${START} ISOLATION LEVEL READ COMMITTED READ WRITE`;

interface Transaction {
  readonly manager: EntityManager;
  readonly afterCommit: (() => void)[];
}

/** Carries the transaction's EntityManager along the call chain, so that repositories join it by themselves. */
@Injectable()
export class TypeOrmUnitOfWork extends UnitOfWork {
  private readonly logger = new Logger(UnitOfWork.name);
  private readonly transaction = new AsyncLocalStorage<Transaction>();
  private readonly dataSource: DataSource;
  private readonly outside: EntityManager;

  constructor(dataSource: DataSource) {
    super();
    // What a host has set must not reach what auth decides by: a replica is behind, and so is a cache of results.
    this.dataSource = Object.create(dataSource, {
      defaultReplicationModeForReads: { value: () => 'master' },
      queryResultCache: { value: undefined },
    }) as DataSource;
    this.outside = new EntityManager(this.dataSource);
  }

  /** The current transaction's manager; outside of one, a manager that reads and writes the primary and caches nothing. */
  get manager(): EntityManager {
    return this.transaction.getStore()?.manager ?? this.outside;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.transaction.getStore() !== undefined) return work();
    for (let tries = 1; ; tries++) {
      const afterCommit: (() => void)[] = [];
      try {
        const result = await this.inTransaction((manager) =>
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

  private async inTransaction<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    const runner = this.dataSource.createQueryRunner('master');
    const query = runner.query.bind(runner) as (text: string, ...rest: never[]) => Promise<never>;
    // In the statement that begins the transaction, since a statement of its own would be another round trip.
    runner.query = (text: string, ...rest: never[]) => query(text === START ? START_AS_NEEDED : text, ...rest);
    const { isolationLevel } = this.dataSource.options as { isolationLevel?: string };
    try {
      // TypeORM sets a host's default afterwards, unless a level is given.
      return await (isolationLevel === undefined
        ? runner.manager.transaction(work)
        : runner.manager.transaction('READ COMMITTED', work));
    } finally {
      await runner.release();
    }
  }

  afterCommit(effect: () => void): void {
    const transaction = this.transaction.getStore();
    if (transaction === undefined) effect();
    else transaction.afterCommit.push(effect);
  }
}
