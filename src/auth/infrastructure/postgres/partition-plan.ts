import type { PostgresSettings } from '../../options/postgres.settings';

/** Half open, in microseconds since 1970, as exact as PostgreSQL's own. Infinite where a partition has no bound. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export type PartitionUnit = Exclude<PostgresSettings['auditPartition'], 'external'>;

export const DAY = 24 * 60 * 60 * 1_000_000;
const DAYS_AHEAD: Readonly<Record<PartitionUnit, number>> = { day: 7, week: 14, month: 31 };

/**
 * The partitions to create so that there is one for every instant from today, 00:00 UTC, until some days ahead. `existing`
 * are the bounds in the catalogue, of whatever unit: names say nothing about them.
 */
export function partitionsToCreate(unit: PartitionUnit, now: number, existing: readonly Range[]): Range[] {
  const horizon = now + DAYS_AHEAD[unit] * DAY;
  const missing: Range[] = [];
  for (const gap of gapsBetween(existing)) {
    for (let from = Math.max(gap.from, startOfDay(now)); from < Math.min(gap.to, horizon);) {
      const to = Math.min(endOf(unit, from), gap.to);
      missing.push({ from, to });
      from = to;
    }
  }
  return missing;
}

/** The time that no partition holds. */
export function gapsBetween(existing: readonly Range[]): Range[] {
  const sorted = existing.toSorted((one, other) => one.from - other.from);
  const starts = [-Infinity, ...sorted.map(({ to }) => to)];
  const ends = [...sorted.map(({ from }) => from), Infinity];
  return starts.map((from, nth) => ({ from, to: ends[nth] ?? from })).filter(({ from, to }) => from < to);
}

export const startOfDay = (instant: number): number => Math.floor(instant / DAY) * DAY;

/** Weeks begin on Monday, as in ISO 8601. */
function endOf(unit: PartitionUnit, instant: number): number {
  const date = new Date(Math.floor(instant / 1000));
  if (unit === 'month') return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1) * 1000;
  return startOfDay(instant) + (unit === 'day' ? 1 : 7 - ((date.getUTCDay() + 6) % 7)) * DAY;
}

/** With all six digits, which `Date` does not have. */
export const isoOf = (instant: number): string =>
  `${new Date(Math.floor(instant / 1000)).toISOString().slice(0, -1)}${String(instant % 1000).padStart(3, '0')}Z`;
