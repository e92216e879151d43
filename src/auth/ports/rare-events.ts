import { AUTH_EVENTS, AuthTokenRefreshAttempted, AuthTokenRefreshSucceeded } from '../domain/events';
import type { EventCount, RecordedEvent } from './auth-event.log';

const HOUR_MS = 3_600_000;

/** Of a granted refresh: most of any log. */
const ROUTINE: readonly string[] = [AuthTokenRefreshAttempted.type, AuthTokenRefreshSucceeded.type];

/** The types of all other events. */
export const RARE_TYPES: readonly string[] = AUTH_EVENTS.map(({ type }) => type).filter(
  (type) => !ROUTINE.includes(type),
);

/** The answer of `AuthEventLog.countRare`, for a log that has its records in memory, in any order. */
export function rareCountsOf(
  records: readonly Pick<RecordedEvent, 'type' | 'occurredAt'>[],
  from: Date,
  hours: number,
  most: number,
): EventCount[] {
  return RARE_TYPES.flatMap((type) => {
    const counts = new Map<number, number>();
    records
      .filter((record) => record.type === type)
      .map(({ occurredAt }) => occurredAt.getTime() - from.getTime())
      .filter((since) => since >= 0 && since < hours * HOUR_MS)
      .sort((one, other) => other - one)
      .slice(0, most)
      .map((since) => Math.floor(since / HOUR_MS))
      .forEach((hour) => counts.set(hour, (counts.get(hour) ?? 0) + 1));
    return [...counts].map(([hour, count]) => ({ type, hour, count }));
  });
}
