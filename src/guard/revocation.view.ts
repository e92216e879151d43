import { inTime } from '../support/in-time';
import { type Log, Outage } from '../support/outage';
import { Overloaded } from '../support/overloaded';
import {
  type Announced,
  ISSUE_MARGIN_SECONDS,
  type Revocation,
  type RevocationReading,
  RevocationSource,
  type RevocationWatcher,
} from './ports/revocation.feed';
import { type Floors, isNewer, type SecurityPolicy } from './versions';

/** How long the view's contents are valid, in seconds. */
export interface ViewLimits {
  /** The longest life of an access token: a revocation is remembered that long, and a margin. */
  readonly accessTokenTtlSeconds: number;
  /** How old the last successful reading may be before the view refuses to answer. */
  readonly maxStalenessSeconds: number;
  /** How long the source may hold a reading back until there is news, in milliseconds; by default it answers at once. */
  readonly maxWaitMs?: number;
  /** How many revocations the view may hold: a reading beyond it fails. By default there is no limit. */
  readonly maxRevocations?: number;
}

/** Is given each reading that counted. */
export interface ViewFollower {
  /** `recent` are all revocations that were committed since the reading before; of the first reading, since its horizon. */
  taken(reading: Omit<RevocationReading, 'revocations' | 'nextPage'>, recent: readonly Announced[]): void;
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
/** A process that begins no reading for so long was frozen. */
const FROZEN_MS = 2 * POLL_MS;
const CATCH_UP_MS = 1000;
/** A clock that is further behind is another server's, or was set back. */
const CLOCK_TOLERANCE_MS = 2000;
const OTHER_SERVER_MS = 15 * 60_000;

/** A moment on both of the process's clocks: the monotonic one stands still while the machine sleeps, the other can be set. */
interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

const moment = (): Moment => ({ monotonic: performance.now(), wall: Date.now() });

/** By the clock that says more. */
const msSince = ({ monotonic, wall }: Moment): number => Math.max(performance.now() - monotonic, Date.now() - wall);

/** Infinite is what was merged before the clock was known. */
const later = (known = Infinity, until: number): number => (known === Infinity ? until : Math.max(known, until));

/** A reading with all its pages; its horizon and its clock are those of the first. */
interface Load {
  readonly reading: RevocationReading;
  /** Those of all pages that were committed since the reading before. */
  readonly recent: readonly Announced[];
  readonly begunAt: Moment;
  /** When the first page had arrived, on the monotonic clock. */
  readonly answeredAt: number;
}

/**
 * All that a guard must know, in memory: the policy, and the revocations that could affect an unexpired access token. It is
 * updated once a second and at each hint. Merging only adds and raises, so an old reading does no harm. It knows one clock, the
 * database's: whether a token has expired and whether its revocation is forgotten must not be decided by two.
 */
export class RevocationView implements RevocationWatcher {
  private readonly outage: Outage;
  private policy: SecurityPolicy | null = null;
  /** `until` and the values of `sessions` are on the database's clock. */
  private readonly users = new Map<string, { readonly minVersion: number; readonly until: number }>();
  private readonly sessions = new Map<string, number>();
  private everything = true;
  /** The last that counted; null before the first complete load. */
  private last: Load | null = null;
  /** When the database's clock, as `last` has it, was read. */
  private clockReadAt = moment();
  /** On the monotonic clock. */
  private otherServerAt = -Infinity;
  private sweptAt = 0;

  /** The last sign that readings are begun; null before the first. */
  private aliveAt: Moment | null = null;
  /** How long after it the next sign may come. */
  private patienceMs = FROZEN_MS;
  private catchUp: { readonly reading: Promise<void>; readonly wait: Promise<void> } | undefined;

  private stopped = false;
  private wake: () => void = () => undefined;
  private hinted = false;
  private running: Promise<void> | undefined;
  private stopWatching: (() => Promise<void>) | undefined;
  /** Readings so far: of two that are under way, the later one counts. */
  private turn = 0;
  private readonly followers: ViewFollower[] = [];

  constructor(
    private readonly feed: RevocationSource,
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

  /** Ends the readings, after the one that is under way; a source that holds it back answers it now. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.wake();
    await this.stopWatching?.();
    await this.running;
    await this.catchUp?.reading;
  }

  /** From the next reading on. */
  follow(follower: ViewFollower): void {
    this.followers.push(follower);
  }

  /** What the view holds; a revocation that this process has committed before its first reading was announced now. */
  *held(): Iterable<Revocation & { readonly announcedAt: Date }> {
    const announcedAt = (until: number) => (until === Infinity ? this.now() : new Date(until - this.keptMs));
    for (const [userId, { minVersion, until }] of this.users)
      yield { kind: 'user', userId, minVersion, announcedAt: announcedAt(until) };
    for (const [sessionId, until] of this.sessions)
      yield { kind: 'session', sessionId, announcedAt: announcedAt(until) };
  }

  /** The number of revocations that the view holds. */
  get size(): number {
    return this.users.size + this.sessions.size;
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
    if (this.policy === null || this.last === null) throw new Overloaded('Revocations have not been loaded yet');
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
      now: this.now(),
    };
  }

  /** The database's clock, as the last reading gave it. */
  now(): Date {
    return new Date(this.clockMs);
  }

  /** Whether the session, by its id, has ended by itself; a session that a floor ended is not in this list. */
  isRevoked(sessionId: string): boolean {
    return this.sessions.has(sessionId);
  }

  /** Seconds since the start of the last reading that succeeded; infinite before the first. */
  get stalenessSeconds(): number {
    return this.last === null ? Infinity : msSince(this.last.begunAt) / 1000;
  }

  /** For 15 minutes after this process has seen another server answer than before. It may lack what the former had committed. */
  get otherServerAnswered(): boolean {
    return performance.now() - this.otherServerAt < OTHER_SERVER_MS;
  }

  /**
   * What a request waits for before it asks, if anything: one reading that all share, for a second at most, after this process
   * was frozen and has begun none for two polls. While the database is away, readings are begun and fail: nothing waits.
   */
  get catchingUp(): Promise<void> | undefined {
    if (this.catchUp === undefined && this.isFrozen && !this.stopped) {
      const reading = this.refresh().finally(() => (this.catchUp = undefined));
      // In vain it ends as well: the view says how old it is.
      this.catchUp = { reading, wait: inTime(reading, CATCH_UP_MS).catch(() => undefined) };
    }
    return this.catchUp?.wait;
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
    for (const revocation of revocations) isNew = this.merge(revocation, this.clockMs) || isNew;
    if (policy !== undefined) this.mergePolicy(policy);
    return isNew;
  }

  /** Returns whether it was new. `fromMs` is when the last token that it refuses may have been issued. */
  private merge(revocation: Revocation, fromMs: number): boolean {
    const until = fromMs + this.keptMs;
    if (revocation.kind === 'session') {
      const known = this.sessions.get(revocation.sessionId);
      this.sessions.set(revocation.sessionId, later(known, until));
      return known === undefined;
    }
    const known = this.users.get(revocation.userId);
    const minVersion = Math.max(known?.minVersion ?? 1, revocation.minVersion);
    this.users.set(revocation.userId, { minVersion, until: later(known?.until, until) });
    return minVersion > (known?.minVersion ?? 1);
  }

  /** How long a revocation can meet an access token. */
  private get keptMs(): number {
    return (this.limits.accessTokenTtlSeconds + ISSUE_MARGIN_SECONDS) * 1000;
  }

  private mergePolicy(policy: SecurityPolicy): void {
    if (this.policy === null || isNewer(policy, this.policy)) this.policy = policy;
  }

  private async keepFresh(): Promise<void> {
    while (await this.pause()) {
      // Requests wait for the first reading after a freeze, no matter which caller started it.
      if (this.catchingUp === undefined) await this.refresh();
      else {
        await this.catchUp?.reading;
        this.hinted = true; // a hint may have come since it was begun
      }
    }
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

  /** The database's clock. Before the first reading it is not known, and nothing that is merged may be forgotten by it. */
  private get clockMs(): number {
    return this.last === null ? Infinity : this.last.reading.now.getTime() + msSince(this.clockReadAt);
  }

  private async refresh(): Promise<void> {
    const horizon = this.everything ? null : (this.last?.reading.horizon ?? null);
    this.everything = false;
    const turn = ++this.turn;
    try {
      let load = await this.load(horizon);
      // What another server has committed meanwhile need not be beyond the horizon of the former.
      const continues = this.continues(load);
      if (!continues && horizon !== null) load = await this.load(null);
      this.take(load);
    } catch (error) {
      // A later one knows more than this one would have, unless this one was to read everything.
      if (turn !== this.turn && horizon !== null) return;
      // What was lost on the way may have been the answer of another server.
      this.everything = true;
      if (!this.stopped) this.outage.goesOn(`Revocations could not be read: ${String(error)}`);
      return;
    } finally {
      // What a process hears after it was frozen was begun before: no sign of life.
      if (!this.isFrozen) this.showLife(FROZEN_MS);
    }
    this.outage.ends();
  }

  private async load(horizon: bigint | null): Promise<Load> {
    const begunAt = moment();
    const reading = await this.page(horizon);
    const answeredAt = performance.now();
    const before = this.last?.reading.horizon ?? reading.horizon;
    const since = before < reading.horizon ? before : reading.horizon;
    const isRecent = ({ position }: Announced) => position >= since;
    const recent = reading.revocations.filter(isRecent);
    for (let { nextPage } = reading; nextPage !== undefined;) {
      if (this.stopped) throw new Error('the view was stopped');
      const page = await this.page(horizon, nextPage);
      if (page.server !== reading.server) throw new Error('another server answered before everything was read');
      for (const one of page.revocations) if (isRecent(one)) recent.push(one);
      nextPage = page.nextPage;
    }
    return { reading, recent, begunAt, answeredAt };
  }

  private async page(horizon: bigint | null, nextPage?: bigint): Promise<RevocationReading> {
    const { maxWaitMs = 0 } = this.limits;
    this.showLife(maxWaitMs > 0 ? FROZEN_MS : READ_TIMEOUT_MS + POLL_MS);
    const begunAt = moment();
    const timeoutMs = READ_TIMEOUT_MS + (horizon === null ? 0 : maxWaitMs);
    const answer = inTime(this.feed.read(horizon, nextPage), timeoutMs);
    const page = await (maxWaitMs > 0 ? this.heldBack(answer) : answer);
    // Two readings can be under way after a freeze, and only the later one counts.
    if (msSince(begunAt) > timeoutMs) throw new Error('the answer is from before this process was frozen');
    const { policy, revocations, now } = page;
    const nowMs = now.getTime();
    for (const revocation of revocations) {
      const announcedMs = revocation.announcedAt.getTime();
      // It may commit long after it was announced. One from the future was announced before the clock was set back.
      const isNew = this.merge(revocation, Math.max(nowMs, announcedMs));
      if (this.size > (this.limits.maxRevocations ?? Infinity)) throw new Error('too many revocations');
      if (isNew && horizon !== null) this.metrics.revocationSeen((nowMs - announcedMs) / 1000);
    }
    this.mergePolicy(policy);
    return page;
  }

  /** While the source holds its answer back, this process shows that it runs. After it was frozen, it does not wait for that answer. */
  private async heldBack<T>(answer: Promise<T>): Promise<T> {
    const heart = setInterval(() => {
      if (!this.isFrozen) this.showLife(FROZEN_MS);
      else void this.catchingUp; // begins a reading
    }, POLL_MS);
    return answer.finally(() => clearInterval(heart));
  }

  private showLife(patienceMs: number): void {
    this.aliveAt = moment();
    this.patienceMs = patienceMs;
  }

  private get isFrozen(): boolean {
    return this.aliveAt !== null && msSince(this.aliveAt) > this.patienceMs;
  }

  /** False if another server has answered than before, or the same has become older, as after a restore, or its clock was set back. */
  private continues({ reading, begunAt }: Load): boolean {
    if (this.last === null) return true;
    const { answeredAt, reading: before } = this.last;
    if (reading.server !== before.server || reading.horizon < before.horizon) {
      this.otherServerAt = performance.now();
      this.log.warn(
        'Another server answers, or an older state, as after a failover or a restore: reading all revocations',
      );
      return false;
    }
    // At least so much time has passed between the two answers.
    const expectedMs = before.now.getTime() + begunAt.monotonic - answeredAt;
    return reading.now.getTime() >= expectedMs - CLOCK_TOLERANCE_MS;
  }

  private take(load: Load): void {
    const { reading, recent, begunAt, answeredAt } = load;
    this.last = load;
    // The clock was read somewhere between question and answer: in the middle, as the best estimate. A source that holds its
    // answers back reads it at the end.
    const tookMs = answeredAt - begunAt.monotonic;
    const readMs = this.limits.maxWaitMs === undefined ? tookMs / 2 : tookMs;
    this.clockReadAt = { monotonic: begunAt.monotonic + readMs, wall: begunAt.wall + readMs };
    this.sweep(reading.now.getTime());
    this.metrics.viewRefreshed(this.size);
    for (const follower of this.followers) follower.taken(reading, recent);
  }

  private sweep(clockMs: number): void {
    const now = performance.now();
    if (now - this.sweptAt < SWEEP_EVERY_MS) return;
    this.sweptAt = now;
    for (const [userId, { until }] of this.users) if (until < clockMs) this.users.delete(userId);
    for (const [sessionId, until] of this.sessions) if (until < clockMs) this.sessions.delete(sessionId);
  }
}
