import { LRUCache } from 'lru-cache';
import { type AuthEvent, classOf } from '../../domain/events';
import { sourceOf } from '../../domain/network';
import type { RecordBound } from '../../ports/auth-events';

const MAX_KEYS = 10_000;
const MAX_SUMS = 1000;
/** Of all sums together. */
const MAX_IPS = 10_000;

/** What a minute had beyond a bound; of junk, nothing else is known. */
export interface Sum {
  readonly eventType: string | null;
  readonly userId: string | null;
  readonly sessionId: string | null;
  readonly count: number;
  readonly distinctIps: number;
}

interface Counted {
  readonly eventType: string;
  userId: string | null;
  sessionId: string | null;
  count: number;
  readonly ips: Set<string>;
}

/** Which records are stored one by one, up to a number for each key, and the sums of those beyond it. */
export class RecordBounds {
  private readonly counts = new LRUCache<string, number>({ max: MAX_KEYS });
  private readonly sums = new Map<string, Counted>();
  private ips = 0;

  /** Whether another record of the key is stored; otherwise {@link add} it. */
  allows(bound: RecordBound, now: Date): boolean {
    const key = windowOf(bound, now);
    const seen = this.counts.get(key) ?? 0;
    if (seen >= bound.most) return false;
    this.counts.set(key, seen + 1);
    return true;
  }

  /** Takes back an {@link allows} whose record could not be stored. */
  giveBack(bound: RecordBound, now: Date): void {
    const key = windowOf(bound, now);
    this.counts.set(key, Math.max(0, (this.counts.get(key) ?? 0) - 1));
  }

  /** Counts a record that is not stored. False if too many others are counted already. */
  add({ key }: RecordBound, event: AuthEvent): boolean {
    const { userId, sessionId, ipAddress } = event.context;
    let sum = this.sums.get(key);
    if (sum === undefined) {
      if (this.sums.size >= MAX_SUMS) return false;
      sum = { eventType: classOf(event).type, userId, sessionId, count: 0, ips: new Set() };
      this.sums.set(key, sum);
    }
    // What differs among them is not theirs.
    if (sum.userId !== userId) sum.userId = null;
    if (sum.sessionId !== sessionId) sum.sessionId = null;
    sum.count++;
    const source = sourceOf(ipAddress);
    if (this.ips < MAX_IPS && !sum.ips.has(source)) {
      sum.ips.add(source);
      this.ips++;
    }
    return true;
  }

  /** Ends a minute: what was only counted in it. */
  take(): Sum[] {
    const taken = [...this.sums.values()].map(({ ips, ...sum }) => ({ ...sum, distinctIps: ips.size }));
    this.sums.clear();
    this.ips = 0;
    return taken;
  }
}

const windowOf = ({ key, seconds }: RecordBound, now: Date): string =>
  seconds === undefined ? key : `${key} ${Math.floor(now.getTime() / (seconds * 1000))}`;
