import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type AuthOptions, Overloaded, type RevocationReading, RevocationView } from '../../src';
import { cursorOfText } from '../../src/auth/application/resource-servers/feed-cursor';
import { type FeedAnswer, RevocationPolls } from '../../src/auth/application/resource-servers/revocation-polls';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { InMemoryRevocationFeed, InMemoryStore } from '../../src/testing';
import { until } from '../support/until';
import { SERVICE } from './support/services';

const MANY = 60_000;
const quiet = { log: () => undefined, warn: () => undefined };

/** The in-memory feed, which can be left behind: it reads what there was before a horizon. */
class LateFeed extends InMemoryRevocationFeed {
  until: bigint | null = null;

  override async read(from: bigint | null): Promise<RevocationReading> {
    const reading = await super.read(from);
    const { until } = this;
    if (until === null) return reading;
    const revocations = reading.revocations.filter(({ position }) => position < until);
    return { ...reading, revocations, horizon: until };
  }
}

/** An instance over the store, with the polls of services. */
async function instance(store: InMemoryStore) {
  const feed = new LateFeed(store);
  const limits = { accessTokenTtlSeconds: 900, maxStalenessSeconds: 60 };
  const view = new RevocationView(feed, limits, quiet, new NoMetrics());
  const options = { ...limits, resourceServers: [SERVICE] } as unknown as AuthOptions;
  const polls = new RevocationPolls(view, options, new NoMetrics());
  await view.start();
  const asked = (cursor?: string, wait = 0): Promise<FeedAnswer> =>
    polls.answer(cursorOfText(cursor), wait, new AbortController().signal);
  /** As a service does: an instance on a busy machine may be out of date for a moment. */
  const ask = async (cursor?: string, wait = 0): Promise<FeedAnswer> => {
    for (;;) {
      try {
        return await asked(cursor, wait);
      } catch (error) {
        if (!(error instanceof Overloaded)) throw error;
        await delay(20);
      }
    }
  };
  return { feed, view, polls, ask, asked };
}

const subjects = ({ revocations }: FeedAnswer): string[] =>
  revocations.map((one) => (one.kind === 'user' ? one.userId : one.sessionId));

describe('The polls of services', () => {
  // Seen red with an instance that serves its page as it is: what it had not read was in no page and behind the cursor.
  it('leave nothing out when the next page is asked of an instance that has read less', async () => {
    const store = new InMemoryStore();
    const announcer = new InMemoryRevocationFeed(store);
    const announce = async (count: number): Promise<string[]> => {
      const sessions = Array.from({ length: count }, () => randomUUID());
      await announcer.announce(
        sessions.map((sessionId) => ({ kind: 'session', sessionId })),
        'user_logout',
      );
      return sessions;
    };
    await announce(MANY);
    const [one, other] = [await instance(store), await instance(store)];
    other.feed.until = BigInt(MANY);
    const late = await announce(20);
    one.view.hint();
    await until(() => late.every((session) => one.view.isRevoked(session)));

    const first = await one.ask();
    expect(first.snapshot).toEqual({ page: 1, pages: 2 });
    const second = other.ask(first.cursor);
    other.feed.until = null;
    other.view.hint();
    const page = await second;
    expect(page.snapshot).toEqual({ page: 2, pages: 2 });
    const found = new Set([...subjects(first), ...subjects(page)]);
    for (const session of subjects(await one.ask(page.cursor, 1))) found.add(session);
    expect(late.filter((session) => !found.has(session))).toEqual([]);
    expect(found.size).toBe(MANY + 20);
    await Promise.all([one.view.stop(), other.view.stop()]);
  });

  it('are 503 beyond a thousand at a time, and wait again when others have ended', async () => {
    const { view, ask, asked } = await instance(new InMemoryStore());
    const { cursor } = await ask();
    const polls = Array.from({ length: 1000 }, () => asked(cursor, 2));
    await expect(asked(cursor, 1)).rejects.toThrow('Too many polls are waiting');
    await Promise.allSettled(polls);
    expect((await ask(cursor)).snapshot).toBeNull();
    await view.stop();
  });

  it('end with their connection', async () => {
    const { view, polls, ask } = await instance(new InMemoryStore());
    const { cursor } = await ask();
    const gone = new AbortController();
    const poll = polls.answer(cursorOfText(cursor), 20, gone.signal);
    gone.abort();
    expect((await poll).revocations).toEqual([]);
    await view.stop();
  });

  it('move a reader on also when there is nothing new, so that the ring never grows too short for it', async () => {
    const store = new InMemoryStore();
    const { view, ask } = await instance(store);
    let { cursor } = await ask();
    for (let round = 0; round < 3; round++) {
      await new InMemoryRevocationFeed(store).announce([{ kind: 'session', sessionId: randomUUID() }], 'user_logout');
      view.hint();
      const answer = await ask(cursor, 5);
      expect(answer.revocations).toHaveLength(1);
      ({ cursor } = answer);
    }
    expect(await ask(cursor)).toMatchObject({ cursor, revocations: [] });
    await view.stop();
  });
});
