import { inTime } from '../support/in-time';
import { type Log, Outage } from '../support/outage';
import { Overloaded } from '../support/overloaded';
import {
  ISSUE_MARGIN_SECONDS,
  type Revocation,
  RevocationFeed,
  type RevocationReading,
  type RevocationWatcher,
} from './ports/revocation.feed';
import { type Floors, isNewer, type SecurityPolicy } from './versions';

/** How long the view's contents are valid, in seconds. */
export interface ViewLimits {
  /** The longest life of an access token: a revocation is remembered that long, and a margin. */
  readonly accessTokenTtlSeconds: number;
  /** How old the last successful reading may be before the view refuses to answer. */
  readonly maxStalenessSeconds: number;
}

/** Where the view counts its readings. */
export interface ViewMetrics {
  /** A reading arrived; how many revocations the view holds now. */
  viewRefreshed(size: number): void;
  /** How long another instance's revocation took to arrive, in seconds. */
  revocationSeen(seconds: number): void;
}

const POLL_MS = 1000;
const HINT_GAP_MS = 50;
const SWEEP_EVERY_MS = 60_000;
const READ_TIMEOUT_MS = 5000;

/**
 * All that a guard must know, in memory: the policy, and the revocations that could affect an unexpired access token. It is
 * updated once a second and at each hint. Merging only adds and raises, so an old reading does no harm.
 */
export class RevocationView implements RevocationWatcher {
  private readonly outage: Outage;
  private policy: SecurityPolicy | null = null;
  private readonly users = new Map<string, { readonly minVersion: number; readonly until: number }>();
  private readonly sessions = new Map<string, number>();
  private horizon: bigint | null = null;
  private everything = true;
  /** On the monotonic clock; null before the first complete load. */
  private freshAt: number | null = null;
  private clockOffsetMs = 0;
  private sweptAt = 0;

  private stopped = false;
  private wake: () => void = () => undefined;
  private hinted = false;
  private running: Promise<void> | undefined;
  private stopWatching: (() => Promise<void>) | undefined;

  constructor(
    private readonly feed: RevocationFeed,
    private readonly limits: ViewLimits,
    private readonly log: Log,
    private readonly metrics: ViewMetrics,
  ) {
    this.outage = new Outage(log, 'Revocations are read again');
  }

  /** Listens for hints and reads once before it resolves, then once a second and at each hint. A failed reading is tried again. */
  async start(): Promise<void> {
    this.stopWatching = await this.feed.watch(this);
    await this.refresh();
    this.running = this.keepFresh();
  }

  /** Ends the readings, after the one that is under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.wake();
    await this.running;
    await this.stopWatching?.();
  }

  /** False before {@link start}, as in a process that guards nothing. */
  get isStarted(): boolean {
    return this.stopWatching !== undefined;
  }

  /**
   * The policy.
   * @throws Overloaded before the first complete load, and when no reading has succeeded for `maxStalenessSeconds`
   */
  currentPolicy(): SecurityPolicy {
    if (this.policy === null || this.freshAt === null) throw new Overloaded('Revocations have not been loaded yet');
    if (this.stalenessSeconds > this.limits.maxStalenessSeconds) throw new Overloaded('Revocations are out of date');
    return this.policy;
  }

  /**
   * Both floors as they bind this user's tokens, and the database's clock.
   * @throws Overloaded like {@link currentPolicy}
   */
  floorsOf(userId: string): { floors: Floors; now: Date } {
    const { globalMinTokenVersion, mode, graceEndsAt } = this.currentPolicy();
    const userMinTokenVersion = this.users.get(userId)?.minVersion ?? 1;
    return {
      floors: { globalMinTokenVersion, mode, graceEndsAt, userMinTokenVersion },
      now: new Date(Date.now() + this.clockOffsetMs),
    };
  }

  isRevoked(sessionId: string): boolean {
    return this.sessions.has(sessionId);
  }

  /** Seconds since the start of the last reading that succeeded; infinite before the first. */
  get stalenessSeconds(): number {
    return this.freshAt === null ? Infinity : (performance.now() - this.freshAt) / 1000;
  }

  hint(): void {
    this.hinted = true;
    this.wake();
  }

  reset(): void {
    this.everything = true;
    this.hint();
  }

  /** Merges what has been committed, here or elsewhere. Returns whether a revocation was new. */
  committed(revocations: readonly Revocation[], policy?: SecurityPolicy): boolean {
    let isNew = false;
    const until = performance.now() + (this.limits.accessTokenTtlSeconds + ISSUE_MARGIN_SECONDS) * 1000;
    for (const revocation of revocations) {
      if (revocation.kind === 'session') {
        isNew ||= !this.sessions.has(revocation.sessionId);
        this.sessions.set(revocation.sessionId, until);
      } else {
        const known = this.users.get(revocation.userId)?.minVersion ?? 1;
        isNew ||= revocation.minVersion > known;
        this.users.set(revocation.userId, { minVersion: Math.max(known, revocation.minVersion), until });
      }
    }
    if (policy !== undefined && (this.policy === null || isNewer(policy, this.policy))) this.policy = policy;
    return isNew;
  }

  private async keepFresh(): Promise<void> {
    while (await this.pause()) await this.refresh();
  }

  /** A second, or until a hint, but long enough that hints cannot turn into a flood of readings. False after {@link stop}. */
  private async pause(): Promise<boolean> {
    await this.sleep(HINT_GAP_MS);
    if (!this.hinted) await this.sleep(POLL_MS - HINT_GAP_MS, true);
    this.hinted = false;
    return !this.stopped;
  }

  private sleep(ms: number, untilHint = false): Promise<void> {
    if (this.stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        if (!untilHint && !this.stopped) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async refresh(): Promise<void> {
    const startedAt = performance.now();
    const horizon = this.everything ? null : this.horizon;
    this.everything = false;
    try {
      const reading = await inTime(this.feed.read(horizon), READ_TIMEOUT_MS);
      this.outage.ends();
      if (horizon !== null && reading.horizon < horizon) {
        this.log.warn('The database is older than it was, as after a restore: reading all revocations again');
        this.reset();
        return;
      }
      this.take(reading, startedAt, horizon !== null);
    } catch (error) {
      this.everything ||= horizon === null;
      this.outage.goesOn(`Revocations could not be read: ${String(error)}`);
    }
  }

  private take(
    { policy, revocations, horizon, now }: RevocationReading,
    startedAt: number,
    incremental: boolean,
  ): void {
    for (const revocation of revocations) {
      const isNew = this.committed([revocation]);
      if (isNew && incremental) this.metrics.revocationSeen((now.getTime() - revocation.announcedAt.getTime()) / 1000);
    }
    this.committed([], policy);
    this.horizon = horizon;
    this.freshAt = startedAt;
    // The reading's clock was read somewhere between question and answer: in the middle, as the best estimate.
    this.clockOffsetMs = now.getTime() - (Date.now() - (performance.now() - startedAt) / 2);
    this.sweep();
    this.metrics.viewRefreshed(this.users.size + this.sessions.size);
  }

  private sweep(): void {
    const now = performance.now();
    if (now - this.sweptAt < SWEEP_EVERY_MS) return;
    this.sweptAt = now;
    for (const [userId, { until }] of this.users) if (until < now) this.users.delete(userId);
    for (const [sessionId, until] of this.sessions) if (until < now) this.sessions.delete(sessionId);
  }
}
