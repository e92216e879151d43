import type { IncomingHttpHeaders } from 'node:http';
import { spellingsOf } from '../support/loopback';

/** Whose requests are honoured. */
export interface Origins {
  /** The origins that requests are sent to, as proofs name them; none where nobody has said it. */
  readonly own: readonly string[];
  /** The origins whose pages may use our cookies. */
  readonly pages: ReadonlySet<string>;
}

export function originsOf(publicOrigin: string | null, corsOrigins: readonly string[] = []): Origins {
  const own = spellingsOf(publicOrigin);
  return { own, pages: new Set([...own, ...corsOrigins]) };
}

/**
 * Whether a page of our own, or one that may, has sent a request with a cookie (RFC 6265bis section 8.8). An `Origin` that is
 * there decides, whatever `Sec-Fetch-Site` says, unless nobody has said which origin is ours.
 */
export function isOfOwnPage({ origin, 'sec-fetch-site': site }: IncomingHttpHeaders, { own, pages }: Origins): boolean {
  if (origin !== undefined && pages.has(origin)) return true;
  return site === 'same-origin' && (origin === undefined || own.length === 0);
}
