import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { type Announced, type Revocation, type RevocationReading } from '../../../guard/ports/revocation.feed';
import { RevocationView, type ViewFollower } from '../../../guard/revocation.view';
import type { SecurityPolicy } from '../../../guard/versions';
import { Overloaded } from '../../../support/overloaded';
import { AuthOptions } from '../../options/auth.options';
import { AuthMetrics, type FeedAnswerKind } from '../../ports/auth-metrics';
import { type FeedCursor, textOfCursor } from './feed-cursor';
import { RevocationRing } from './revocation-ring';

/** In seconds. Longer, and more proxies would cut the connection; shorter, and the polls would be more. */
export const MAX_WAIT = 20;
const PAGE = 50_000;
/** The subjects of a snapshot are spread by their hash, and not evenly. */
const FILL = 0.8;
/** Two polls of the view: an instance that has read nothing for so long may not know what others have ended. */
const MAX_AGE_SECONDS = 2;
const MAX_WAITING = 1000;
/** For the reading that brings this instance to where another one's snapshot began. */
const CATCH_UP_MS = 2000;

/** What a poll is answered. */
export interface FeedAnswer {
  readonly cursor: string;
  /** Which page of a snapshot this is; null for changes. */
  readonly snapshot: { readonly page: number; readonly pages: number } | null;
  readonly policy: SecurityPolicy;
  readonly revocations: readonly (Revocation & { readonly announcedAt: Date })[];
}

/**
 * Answers the polls of other services from the readings of this instance's view: no query, however many services there are.
 */
@Injectable()
export class RevocationPolls implements ViewFollower, BeforeApplicationShutdown {
  private readonly ring = new RevocationRing(PAGE);
  private readonly waiting = new Set<() => void>();
  private polls = 0;
  private isClosing = false;

  constructor(
    private readonly view: RevocationView,
    private readonly options: AuthOptions,
    private readonly metrics: AuthMetrics,
  ) {
    if (this.isOn) view.follow(this);
  }

  /** Whether there are resource servers that may ask. */
  get isOn(): boolean {
    return this.options.resourceServers.length > 0;
  }

  beforeApplicationShutdown(): void {
    this.isClosing = true;
    this.wake();
  }

  taken(reading: RevocationReading, recent: readonly Announced[]): void {
    this.ring.taken(reading, recent);
    this.wake();
  }

  /**
   * What is new since `after`: at once if there is something, else after `waitSeconds` with none. A snapshot, in pages, where
   * that cannot be told. `gone` ends the wait.
   * @throws Overloaded while this instance has no reading younger than two polls, and beyond 1,000 polls at a time
   */
  async answer(after: FeedCursor | null, waitSeconds: number, gone: AbortSignal): Promise<FeedAnswer> {
    try {
      const answer = await this.admitted(() => this.find(after, waitSeconds, gone));
      this.metrics.feedAnswered(kindOf(answer));
      return answer;
    } catch (error) {
      this.metrics.feedAnswered('refused');
      throw error;
    }
  }

  private async admitted(find: () => Promise<FeedAnswer>): Promise<FeedAnswer> {
    this.demandFresh();
    if (this.polls >= MAX_WAITING) throw new Overloaded('Too many polls are waiting');
    this.metrics.feedPolls(++this.polls);
    try {
      return await find();
    } finally {
      this.metrics.feedPolls(--this.polls);
    }
  }

  private async find(after: FeedCursor | null, waitSeconds: number, gone: AbortSignal): Promise<FeedAnswer> {
    if (after?.page !== undefined) return this.nextPage(after, after.page, gone);
    if (after === null) return this.firstPage();
    const deadline = performance.now() + waitSeconds * 1000;
    while (this.ring.covers(after) && !this.hasNews(after) && !this.isClosing && !gone.aborted) {
      const restMs = deadline - performance.now();
      if (restMs <= 0) break;
      await this.nextReading(restMs, gone);
    }
    // What is said now must be true now, and much may have happened while this poll waited.
    this.demandFresh();
    return this.ring.covers(after) ? this.changes(after) : this.firstPage();
  }

  private hasNews(after: FeedCursor): boolean {
    return this.ring.news(after).length > 0 || this.view.currentPolicy().globalMinTokenVersion > after.policyVersion;
  }

  private changes(after: FeedCursor): FeedAnswer {
    const policy = this.view.currentPolicy();
    const policyVersion = Math.max(policy.globalMinTokenVersion, after.policyVersion);
    return {
      cursor: textOfCursor({ ...this.ring.placeAfter(after), policyVersion }),
      snapshot: null,
      policy,
      revocations: this.ring.news(after),
    };
  }

  private firstPage(): FeedAnswer {
    const place = this.ring.place();
    if (place === null) throw new Overloaded('Revocations have not been loaded yet');
    const policyVersion = this.view.currentPolicy().globalMinTokenVersion;
    const { size } = this.view;
    const of = size <= PAGE ? 1 : Math.ceil(size / (PAGE * FILL));
    // With several pages, what commits while they are read may be in none of them: the reader goes on from here.
    return this.page({ ...place, known: of === 1 ? place.known : 0, policyVersion }, 1, of);
  }

  private async nextPage(after: FeedCursor, { next, of }: NonNullable<FeedCursor['page']>, gone: AbortSignal) {
    const deadline = performance.now() + CATCH_UP_MS;
    while (this.ring.place()?.server === after.server && !this.ring.hasReached(after) && !gone.aborted) {
      const restMs = deadline - performance.now();
      if (restMs <= 0 || this.isClosing) throw new Overloaded('Another instance has read more than this one');
      await this.nextReading(restMs, gone);
    }
    this.demandFresh();
    // Begun on another server, or when there was far less: from the first page again.
    return this.ring.hasReached(after) && this.view.size <= of * PAGE ? this.page(after, next, of) : this.firstPage();
  }

  /** Every instance divides a snapshot in the same way, so any of them has the next page. */
  private page({ page: _, ...place }: FeedCursor, page: number, of: number): FeedAnswer {
    const revocations: FeedAnswer['revocations'][number][] = [];
    for (const one of this.view.held())
      if (of === 1 || pageOf(one.kind === 'user' ? one.userId : one.sessionId, of) === page) revocations.push(one);
    return {
      cursor: textOfCursor(page === of ? place : { ...place, page: { next: page + 1, of } }),
      snapshot: { page, pages: of },
      policy: this.view.currentPolicy(),
      revocations,
    };
  }

  private demandFresh(): void {
    if (this.view.stalenessSeconds > MAX_AGE_SECONDS) throw new Overloaded('Revocations are out of date here');
  }

  /** Resolves at the next reading, after `ms`, or when the reader has gone. */
  private nextReading(ms: number, gone: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        gone.removeEventListener('abort', wake);
        this.waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      gone.addEventListener('abort', wake);
      this.waiting.add(wake);
    });
  }

  private wake(): void {
    for (const wake of [...this.waiting]) wake();
  }
}

const kindOf = ({ snapshot, revocations }: FeedAnswer): FeedAnswerKind => {
  if (snapshot !== null) return 'snapshot';
  return revocations.length === 0 ? 'empty' : 'news';
};

/** FNV-1a. The last characters are enough: those of a UUID are random. */
function pageOf(subject: string, of: number): number {
  let hash = 0x811c9dc5;
  for (let at = Math.max(0, subject.length - 12); at < subject.length; at++)
    hash = Math.imul(hash ^ subject.charCodeAt(at), 0x01000193);
  return ((hash >>> 0) % of) + 1;
}
