import type { EventPosition } from '../index';

const POSITION = /^(\d{1,13})\.([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})$/;

/** An opaque string for the position at which a page of the audit trail ended. */
export const cursorOf = ({ occurredAt, id }: EventPosition): string =>
  Buffer.from(`${occurredAt.getTime()}.${id}`).toString('base64url');

/** The position behind a cursor; null for a string that {@link cursorOf} did not create. */
export function positionOf(cursor: string): EventPosition | null {
  const decoded = Buffer.from(cursor, 'base64url');
  const [, time, id] = POSITION.exec(decoded.toString('latin1')) ?? [];
  if (time === undefined || id === undefined || decoded.toString('base64url') !== cursor) return null;
  return { occurredAt: new Date(Number(time)), id };
}
