import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { callAfterCommit, UnitOfWork } from '../../ports/unit-of-work';
import { runnerOf, withoutHostSettings } from './host-settings';
import { OWN_TYPES } from './own-types';
import { failedWith, PASSING } from './sql-state';

const MAX_TRIES = 3;

interface Transaction {
  readonly manager: EntityManager;
  readonly ownManager: EntityManager;
  readonly afterCommit: (() => void)[];
}

/** Carries the transaction's EntityManager along the call chain, so that repositories join it by themselves. */
@Injectable()
export class TypeOrmUnitOfWork extends UnitOfWork {
  private readonly logger = new Logger(UnitOfWork.name);
  private readonly transaction = new AsyncLocalStorage<Transaction>();
  /** While there is one, Node before 24 calls JavaScript at every promise of the process: a sixth of a refresh's processor time. */
  private running = 0;
  /** Outside of every transaction, for auth's own statements: nothing that the host has set reaches them. */
  readonly dataSource: DataSource;
  private readonly outside: DataSource;

  constructor(private readonly host: DataSource) {
    super();
    this.outside = withoutHostSettings(host);
    this.dataSource = withoutHostSettings(host, OWN_TYPES);
  }

  /** The current transaction's manager; outside of one, a manager that reads and writes the primary and caches nothing. */
  get manager(): EntityManager {
    return this.transaction.getStore()?.manager ?? this.outside.manager;
  }

  /** {@link manager}, in the same transaction, for auth's own tables: whatever the host has done to pg's type parsers. */
  get ownManager(): EntityManager {
    return this.transaction.getStore()?.ownManager ?? this.dataSource.manager;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.transaction.getStore() !== undefined) return work();
    this.running++;
    try {
      return await this.runAlone(work);
    } finally {
      if (--this.running === 0) this.transaction.disable();
    }
  }

  private async runAlone<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const afterCommit: (() => void)[] = [];
      try {
        const result = await this.inTransaction((manager, ownManager) =>
          this.transaction.run({ manager, ownManager, afterCommit }, async () => {
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
        if (tries === MAX_TRIES || !failedWith(error, ...PASSING)) throw error;
        await delay(Math.random() * 20 * tries);
      }
    }
  }

  private async inTransaction<T>(work: (manager: EntityManager, own: EntityManager) => Promise<T>): Promise<T> {
    const connection = this.host.createQueryRunner('master');
    const { manager } = runnerOf(this.outside, connection);
    const { manager: own } = runnerOf(this.dataSource, connection, OWN_TYPES);
    const { isolationLevel } = this.host.options as { isolationLevel?: string };
    try {
      // TypeORM sets a host's default afterwards, unless a level is given.
      return await (isolationLevel === undefined
        ? manager.transaction(() => work(manager, own))
        : manager.transaction('READ COMMITTED', () => work(manager, own)));
    } finally {
      await connection.release();
    }
  }

  afterCommit(effect: () => void): void {
    const transaction = this.transaction.getStore();
    if (transaction === undefined) effect();
    else transaction.afterCommit.push(effect);
  }
}
