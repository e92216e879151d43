/** Where a page ended, in a list that is ordered by time and, within one moment, by id. */
export interface PagePosition {
  /** Microseconds since 1970, as PostgreSQL has them: the milliseconds of a `Date` would skip or repeat items. */
  readonly time: number;
  /** A UUID. */
  readonly id: string;
  /** Which of a row's two items, in a list that has two of some rows. */
  readonly part?: number;
}

/** Sixteen digits end in the year 2286, which PostgreSQL and `Date` can still hold. */
const POSITION = /^(\d{1,16})\.([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})(?:\.([01]))?$/;

/** An opaque string for a position. */
export const cursorOf = ({ time, id, part }: PagePosition): string =>
  Buffer.from([time, id, ...(part === undefined ? [] : [part])].join('.')).toString('base64url');

/** The position behind a cursor; null for what {@link cursorOf} did not create. */
export function positionOf(cursor: unknown): PagePosition | null {
  if (typeof cursor !== 'string') return null;
  const [, time, id, part] = POSITION.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  if (time === undefined || id === undefined) return null;
  const position = { time: Number(time), id, ...(part !== undefined && { part: Number(part) }) };
  return cursorOf(position) === cursor ? position : null;
}
