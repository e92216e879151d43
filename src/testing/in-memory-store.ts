import { AsyncLocalStorage } from 'node:async_hooks';
import { Logger } from '@nestjs/common';
import {
  type Announced,
  type BulkEnding,
  callAfterCommit,
  type RecordedEvent,
  type SecurityPolicy,
  type Session,
  type UserWithPassword,
} from '../index';
import { MovableClock } from './movable-clock';

/** The row of a user whose floor was raised. */
export interface UserFloor extends BulkEnding {
  readonly minTokenVersion: number;
  readonly raisedAt: Date;
}

interface Unit {
  violation?: Error;
  readonly afterCommit: (() => void)[];
}

/** What the in-memory ports share: the tables, the clock, and the one writer at a time. Rows are replaced, never changed. */
export class InMemoryStore {
  sessions = new Map<string, Session>();
  /** Null as after a loss: the next reader makes it again. */
  policy: SecurityPolicy | null = null;
  /** The end of the recovery epoch; null before the first. */
  recoveryUntil: Date | null = null;
  userFloors = new Map<string, UserFloor>();
  users = new Map<string, UserWithPassword>();
  events = new Map<string, RecordedEvent>();
  revocations: readonly Announced[] = [];
  /** Another text is what guards see of a failover. */
  server = 'in memory';

  private readonly logger = new Logger(InMemoryStore.name);
  private readonly inside = new AsyncLocalStorage<Unit>();
  private last: Promise<unknown> = Promise.resolve();

  constructor(readonly clock = new MovableClock()) {}

  /** Runs `work` when nothing else runs, and undoes it when it throws; inside another it joins that one. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.inside.getStore() !== undefined) return work();
    const afterCommit: (() => void)[] = [];
    const turn = this.last.then(() => this.allOrNothing(work, afterCommit));
    this.last = turn.catch(() => undefined);
    const result = await turn;
    callAfterCommit(afterCommit, this.logger);
    return result;
  }

  /** The policy; a missing one is created again with its defaults. */
  currentPolicy(): SecurityPolicy {
    const now = this.clock.now();
    this.policy ??= {
      globalMinTokenVersion: 1,
      gracePeriodSeconds: 300,
      mode: 'immediate',
      graceEndsAt: null,
      lastRotationAt: null,
      lastRotationReason: null,
      createdAt: now,
      updatedAt: now,
    };
    return this.policy;
  }

  /** Calls `effect` once what runs now is done and stays; at once when nothing runs. */
  afterCommit(effect: () => void): void {
    const running = this.inside.getStore();
    if (running === undefined) effect();
    else running.afterCommit.push(effect);
  }

  /** A broken constraint, which also ends the work around it, even if that catches the error and continues. */
  violated(constraint: string): never {
    const violation = new Error(constraint);
    Object.assign(this.inside.getStore() ?? {}, { violation });
    throw violation;
  }

  /** What PostgreSQL cannot store either. */
  demandText(...texts: (string | null | undefined)[]): void {
    if (texts.some((text) => text?.includes('\0') === true)) this.violated('A text cannot hold U+0000');
  }

  private async allOrNothing<T>(work: () => Promise<T>, afterCommit: Unit['afterCommit']): Promise<T> {
    const before = {
      sessions: new Map(this.sessions),
      policy: this.policy,
      recoveryUntil: this.recoveryUntil,
      userFloors: new Map(this.userFloors),
      users: new Map(this.users),
      events: new Map(this.events),
      revocations: this.revocations,
    };
    const unit: Unit = { afterCommit };
    try {
      const result = await this.inside.run(unit, work);
      if (unit.violation !== undefined) throw unit.violation;
      return result;
    } catch (error) {
      Object.assign(this, before);
      throw error;
    }
  }
}
