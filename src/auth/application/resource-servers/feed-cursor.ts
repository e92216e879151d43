/**
 * Where a reader of the feed is. It is a place on the scale of one database server, so every instance on that server can
 * continue from it.
 */
export interface FeedCursor {
  /** The server whose transactions the horizon counts. */
  readonly server: string;
  readonly horizon: bigint;
  /** The number of revocations from the horizon on that the reader has. */
  readonly known: number;
  /** The global version that the reader has. */
  readonly policyVersion: number;
  /** The page of a snapshot that follows, and the number of its pages; undefined when the reader has everything. */
  readonly page?: { readonly next: number; readonly of: number };
}

const MAX_PAGES = 100_000;
const CURSOR = /^([\w.!~*'()%-]{1,200})\.(\d{1,20})\.(\d{1,9})\.(\d{1,10})(?:\.(\d{1,6})-(\d{1,6}))?$/;

/** An opaque string for a place. */
export const textOfCursor = ({ server, horizon, known, policyVersion, page }: FeedCursor): string =>
  [encodeURIComponent(server), horizon, known, policyVersion, ...(page ? [`${page.next}-${page.of}`] : [])].join('.');

/** The place behind a cursor; null for what {@link textOfCursor} did not create. */
export function cursorOfText(text: unknown): FeedCursor | null {
  if (typeof text !== 'string') return null;
  const [, server = '', horizon, known, policyVersion, next, of] = CURSOR.exec(text) ?? [];
  if (horizon === undefined) return null;
  const page = next === undefined ? undefined : { next: Number(next), of: Number(of) };
  if (page !== undefined && (page.next < 2 || page.next > page.of || page.of > MAX_PAGES)) return null;
  try {
    return {
      server: decodeURIComponent(server),
      horizon: BigInt(horizon),
      known: Number(known),
      policyVersion: Number(policyVersion),
      ...(page && { page }),
    };
  } catch {
    return null; // a percent sign of no encoding
  }
}
