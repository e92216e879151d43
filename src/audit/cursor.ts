import { cursorOf as textOf, positionOf as positionIn } from '../support/cursor';
import type { EventPosition } from '../index';

/** An opaque string for the position at which a page of the audit trail ended. */
export const cursorOf = ({ occurredAt, id, part }: EventPosition): string =>
  textOf({ time: occurredAt.getTime() * 1000, id, part });

/** The position behind a cursor; null for a string that {@link cursorOf} did not create. */
export function positionOf(cursor: string): EventPosition | null {
  const { time, id, part } = positionIn(cursor) ?? {};
  if (time === undefined || id === undefined || part === undefined) return null;
  return { occurredAt: new Date(time / 1000), id, part };
}
