import type { Load } from './support/load';
import type { Postgres } from './support/postgres';

/** What every part of the benchmarks is given. */
export interface Setting {
  readonly postgres: Postgres;
  readonly load: Load;
  /** How often everything is measured, in turn. */
  readonly rounds: number;
  /** How long each measurement takes. */
  readonly seconds: number;
  /** How many sessions there are. */
  readonly sessions: number;
  /** Tells how far it is. */
  readonly tell: (what: string) => void;
}

/** In turn, forth in one round and back in the next, so that no one is always the first. */
export async function inRounds<T>(
  rounds: number,
  items: readonly T[],
  measure: (item: T, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const item of round % 2 === 0 ? items : items.toReversed()) await measure(item, round);
  }
}
