import type { Announced, RevocationReading } from '../../../guard/ports/revocation.feed';
import type { ViewFollower } from '../../../guard/revocation.view';
import type { FeedCursor } from './feed-cursor';

/** How many readings it can continue from: at least a minute and a half, also with a hint every 50 ms. */
const MAX_READINGS = 2000;

/**
 * The revocations of the view's last readings. It answers what is new since a cursor, whichever instance has created that:
 * of one server, the later of two readings has everything of the earlier one, so the number of revocations from a horizon on
 * shows which of them knows more.
 */
export class RevocationRing implements ViewFollower {
  /** By position and subject: most are in two readings, and in more while a transaction is open. */
  private readonly entries = new Map<string, Announced>();
  /** Those of the readings, in order, from the one on from which nothing is missing. */
  private horizons: bigint[] = [];
  private newest: Pick<RevocationReading, 'server' | 'horizon'> | null = null;
  /** What is known from a horizon on, until the next reading. */
  private readonly since = new Map<bigint, readonly Announced[]>();

  constructor(private readonly most: number) {}

  taken({ server, horizon }: Pick<RevocationReading, 'server' | 'horizon'>, recent: readonly Announced[]): void {
    const continues = server === this.newest?.server && horizon >= this.newest.horizon;
    this.newest = { server, horizon };
    if (!continues) {
      this.entries.clear();
      this.horizons = [];
    }
    if (this.horizons.at(-1) !== horizon) this.horizons.push(horizon);
    const [first = horizon] = this.horizons;
    for (const one of recent) if (one.position >= first) this.entries.set(keyOf(one), one);
    this.since.clear();
    this.drop();
  }

  /** The place after the newest reading; null before the first. */
  place(): Pick<FeedCursor, 'server' | 'horizon' | 'known'> | null {
    return this.newest === null ? null : { ...this.newest, known: this.from(this.newest.horizon).length };
  }

  /** Whether everything from there on is known here; another server's horizon says nothing on this one's scale. */
  covers({ server, horizon }: FeedCursor): boolean {
    const [first] = this.horizons;
    return this.newest?.server === server && first !== undefined && horizon >= first;
  }

  /** Whether this instance has read up to a place that may be another's. */
  hasReached({ server, horizon }: FeedCursor): boolean {
    return this.newest?.server === server && this.newest.horizon >= horizon;
  }

  /** All revocations from there on if they are more than the reader has, else none. */
  news({ horizon, known }: FeedCursor): readonly Announced[] {
    const all = this.from(horizon);
    return all.length > known ? all : [];
  }

  /**
   * The place of a reader that is given the {@link news} of its cursor. An instance that has read less than the one before
   * leaves it where it is.
   */
  placeAfter(cursor: FeedCursor): Pick<FeedCursor, 'server' | 'horizon' | 'known'> {
    const place = this.place();
    return place === null || place.horizon < cursor.horizon
      ? { ...cursor, known: Math.max(cursor.known, this.from(cursor.horizon).length) }
      : place;
  }

  private from(horizon: bigint): readonly Announced[] {
    let found = this.since.get(horizon);
    if (found === undefined) {
      found = [...this.entries.values()].filter(({ position }) => position >= horizon);
      this.since.set(horizon, found);
    }
    return found;
  }

  /** While a transaction is open, no horizon passes it: with too many revocations behind it, readers get snapshots. */
  private drop(): void {
    while (this.horizons.length > MAX_READINGS || (this.entries.size > this.most && this.horizons.length > 0)) {
      this.horizons.shift();
      const [first] = this.horizons;
      for (const [key, { position }] of this.entries)
        if (first === undefined || position < first) this.entries.delete(key);
    }
  }
}

const keyOf = (one: Announced): string =>
  one.kind === 'user' ? `${one.position} ${one.minVersion} ${one.userId}` : `${one.position} ${one.sessionId}`;
