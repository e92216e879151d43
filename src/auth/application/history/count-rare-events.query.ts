import { Query } from '@nestjs/cqrs';
import type { EventOutcome } from '../../domain/events';
import type { Actor } from '../actor';

/** What is rare in the audit trail, by type and hour. */
export interface RareEvents {
  /** When the first hour begins. */
  readonly from: Date;
  /** When the last hour ends. */
  readonly to: Date;
  readonly types: readonly {
    readonly type: string;
    readonly outcome: EventOutcome;
    /** One for each hour, oldest first. */
    readonly counts: readonly number[];
    /** False if there were too many to count: only the newest 10,000 of the type are in `counts`. */
    readonly isWhole: boolean;
  }[];
}

/**
 * Counts the events of the audit trail by type and hour, except the two types of a granted refresh, which are most of it. Types
 * without an event in this time are left out.
 */
export class CountRareEventsQuery extends Query<RareEvents> {
  constructor(
    /** 1 to 168. */
    readonly hours: number,
    /** When the last hour ends; now by default. */
    readonly to?: Date,
    /** The reader. If it names a user, the reading is recorded. */
    readonly actor: Actor = {},
  ) {
    super();
  }
}
