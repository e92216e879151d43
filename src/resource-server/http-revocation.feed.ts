import { type RevocationReading, RevocationSource, type RevocationWatcher } from '../guard/ports/revocation.feed';
import { type FeedAnswer, feedAnswerOf } from './feed-answer';
import { type Fetched, getJson, NotFetched } from './get-json';
import type { ResourceServerSettings } from './options';

/** How long a poll waits, in seconds: each is tried when the one before was cut, by a proxy with less patience. */
const WAITS = [20, 10, 5, 2, 1] as const;
/** For an answer beyond the wait, less than the view's own patience. */
const PATIENCE_MS = 4000;
/** A page of 50,000 revocations has a tenth of it. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Sooner, and it was not the waiting that was cut. */
const CUT_AFTER_MS = 1000;
const CUT: readonly (number | null)[] = [null, 408, 502, 504];
const OFFSETS = 10;
const CLOCK_TOLERANCE_MS = 2000;
const NAME = 'the feed of revocations';

/** The longest wait of a poll, in seconds: three of them fit into the staleness that the service accepts. */
export const longestWait = ({ maxStalenessSeconds }: ResourceServerSettings): number =>
  Math.min(WAITS[0], Math.floor(maxStalenessSeconds / 3));

/** Where a load is: its horizon is its number, since a cursor is opaque. */
interface Progress {
  readonly horizon: bigint;
  readonly cursor: string;
  /** Of a snapshot, the page. */
  readonly page: number;
  readonly isComplete: boolean;
}

/**
 * The revocations of the authorization server by a long poll. A view reads it like a database; each reading waits until there is
 * news. What the view has counted is not read again: a cursor is good on every instance, and after a failure.
 */
export class HttpRevocationFeed extends RevocationSource {
  /** By the last answer, in seconds; 0 before the first. */
  accessTokenTtlSeconds = 0;
  /** The longest so far: a revocation that was forgotten earlier could meet a token again. */
  longestTtlSeconds = 0;

  private waitSeconds: number;
  private loads = 0n;
  private latest: Progress | null = null;
  /** Where a reading continues: the end of the last that the view has counted. */
  private counted: string | null = null;
  private policyVersion = 0;
  /** The clock of the feed less the monotonic one, of the last answers: a delay only makes it smaller. */
  private offsets: number[] = [];
  private offset = -Infinity;
  private underWay: AbortController | null = null;
  private watcher: RevocationWatcher | null = null;

  constructor(private readonly settings: ResourceServerSettings) {
    super();
    this.waitSeconds = longestWait(settings);
  }

  async read(horizon: bigint | null, page?: bigint): Promise<RevocationReading> {
    // A reading that is still under way has waited while this process was frozen: what it will say is not needed any more.
    const overtakes = this.underWay !== null;
    this.underWay?.abort(new Error('a later reading has begun'));
    const { latest } = this;
    if (horizon !== null && horizon === latest?.horizon && latest.isComplete) this.counted = latest.cursor;
    const isNext = page !== undefined && latest !== null && !latest.isComplete;
    const after = isNext ? latest.cursor : this.counted;
    const waits = horizon !== null && page === undefined && !overtakes && after !== null;
    const { body, arrivedAt, tookMs } = await this.ask(after, waits ? this.waitSeconds : 0);
    const answer = feedAnswerOf(body, this.settings.issuer);
    this.demandSameLife(answer);
    // A snapshot that begins again has no end that anybody could wait for.
    if (isNext && answer.snapshot?.page !== latest.page + 1) this.readEverything('its snapshot has begun again');
    this.readClock(answer.nowMs - arrivedAt);

    const { cursor, snapshot, policy, revocations } = answer;
    const isComplete = snapshot === null || snapshot.page === snapshot.pages;
    this.latest = { horizon: isNext ? latest.horizon : ++this.loads, cursor, page: snapshot?.page ?? 0, isComplete };
    const hasNews = revocations.length > 0 || policy.globalMinTokenVersion > this.policyVersion;
    this.policyVersion = Math.max(this.policyVersion, policy.globalMinTokenVersion);
    // The next poll follows at once, but after a snapshot, and after an answer that has neither waited nor brought anything.
    if (snapshot === null && (hasNews || tookMs >= CUT_AFTER_MS)) this.watcher?.hint();
    return {
      policy,
      revocations,
      horizon: this.latest.horizon,
      server: this.settings.issuer,
      now: new Date(performance.now() + this.offset),
      ...(!isComplete && { nextPage: BigInt(snapshot.page) }),
    };
  }

  async watch(watcher: RevocationWatcher): Promise<() => Promise<void>> {
    this.watcher = watcher;
    return async () => {
      this.watcher = null;
      this.underWay?.abort(new Error('the service ends'));
    };
  }

  private async ask(after: string | null, waitSeconds: number): Promise<Fetched & { readonly tookMs: number }> {
    const url = new URL(this.settings.feedUrl);
    if (after !== null) url.searchParams.set('after', after);
    url.searchParams.set('wait', String(waitSeconds));
    const controller = new AbortController();
    this.underWay = controller;
    const askedAt = performance.now();
    try {
      const found = await getJson(url, {
        headers: { Authorization: this.settings.authorization },
        maxBytes: MAX_BYTES,
        timeoutMs: waitSeconds * 1000 + PATIENCE_MS,
        controller,
      });
      return { ...found, tookMs: performance.now() - askedAt };
    } catch (error) {
      const { status, message } = error as NotFetched;
      const wasOvertaken = this.underWay !== controller || this.watcher === null;
      if (!wasOvertaken && CUT.includes(status) && performance.now() - askedAt >= CUT_AFTER_MS)
        this.shorten(waitSeconds);
      throw new Error(`${NAME}: ${status === 401 ? 'it does not accept the name and the secret' : message}`, {
        cause: error,
      });
    } finally {
      if (this.underWay === controller) this.underWay = null;
    }
  }

  /** For good: a proxy that has cut one poll will cut the next one. */
  private shorten(waitSeconds: number): void {
    if (waitSeconds === this.waitSeconds) this.waitSeconds = WAITS.find((wait) => wait < waitSeconds) ?? waitSeconds;
  }

  /** A longer life than any before makes tokens live again whose revocations are forgotten. */
  private demandSameLife({ accessTokenTtlSeconds }: FeedAnswer): void {
    const isLonger = accessTokenTtlSeconds > this.longestTtlSeconds;
    const isFirst = this.longestTtlSeconds === 0;
    this.accessTokenTtlSeconds = accessTokenTtlSeconds;
    this.longestTtlSeconds = Math.max(this.longestTtlSeconds, accessTokenTtlSeconds);
    if (isLonger && !isFirst) this.readEverything('the lifetime of access tokens has grown');
  }

  /** So does a clock that was set back. */
  private readClock(offset: number): void {
    this.offsets = [...this.offsets, offset].slice(-OFFSETS);
    const before = this.offset;
    this.offset = Math.max(...this.offsets);
    if (this.offset < before - CLOCK_TOLERANCE_MS) this.readEverything('its clock was set back');
  }

  private readEverything(why: string): never {
    this.counted = null;
    this.latest = null;
    throw new Error(`${NAME}: ${why}, so everything is read again`);
  }
}
