import { AsyncLocalStorage } from 'node:async_hooks';
import { Logger } from '@nestjs/common';
import {
  type Announced,
  type BulkEnding,
  callAfterCommit,
  type RecordedEvent,
  type SecurityPolicy,
  type Session,
  UnitOfWork,
} from 'nest-ratchet';

/** The floor of a user, with the last raise that ended sessions. */
export interface UserFloor extends BulkEnding {
  readonly minTokenVersion: number;
  /** When that raise was; null before the first. */
  readonly endedAt: Date | null;
}

interface Transaction {
  readonly undo: (() => void)[];
  readonly effects: (() => void)[];
  /** The first write that was refused. */
  refusal?: Error;
}

/** The tables and their unit of work: one transaction runs at a time, and one that fails undoes its writes in reverse. */
export class Maps extends UnitOfWork {
  readonly sessions = new Map<string, Session>();
  readonly events = new Map<string, RecordedEvent>();
  readonly userFloors = new Map<string, UserFloor>();
  /** The end of the recovery epoch. */
  readonly recovery = new Map<'until', Date>();
  readonly policy = new Map<'policy', SecurityPolicy>();
  readonly revocations = new Map<bigint, Announced>();

  private readonly logger = new Logger(Maps.name);
  private readonly current = new AsyncLocalStorage<Transaction>();
  private last: Promise<unknown> = Promise.resolve();

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.current.getStore() !== undefined) return work();
    const transaction: Transaction = { undo: [], effects: [] };
    const turn = this.last.then(() => this.current.run(transaction, () => this.allOrNothing(transaction, work)));
    this.last = turn.catch(() => undefined);
    const result = await turn;
    callAfterCommit(transaction.effects, this.logger);
    return result;
  }

  afterCommit(effect: () => void): void {
    const transaction = this.current.getStore();
    if (transaction === undefined) effect();
    else transaction.effects.push(effect);
  }

  /** Writes one row, inside `run`; undefined deletes it. */
  write<Key, Row>(table: Map<Key, Row>, key: Key, row: Row | undefined): void {
    const before = table.get(key);
    this.current.getStore()?.undo.push(() => set(table, key, before));
    set(table, key, row);
  }

  /** Refuses a write; the transaction around it cannot commit any more. */
  refuse(why: string): never {
    const refusal = new Error(why);
    const transaction = this.current.getStore();
    if (transaction !== undefined) transaction.refusal ??= refusal;
    throw refusal;
  }

  private async allOrNothing<T>(transaction: Transaction, work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      if (transaction.refusal !== undefined) throw transaction.refusal;
      return result;
    } catch (error) {
      for (const step of transaction.undo.reverse()) step();
      throw error;
    }
  }
}

function set<Key, Row>(table: Map<Key, Row>, key: Key, row: Row | undefined): void {
  if (row === undefined) table.delete(key);
  else table.set(key, row);
}
