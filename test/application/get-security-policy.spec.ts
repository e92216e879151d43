import { Logger } from '@nestjs/common';
import { type AuthOptions, RevocationView } from '../../src';
import { GetSecurityPolicyHandler } from '../../src/auth/application/versions/get-security-policy.handler';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { InMemoryRevocationFeed, InMemorySecurityPolicyRepository, InMemoryStore } from '../../src/testing';

const options = { accessTokenTtlSeconds: 900, maxStalenessSeconds: 60, securityCacheTtlSeconds: 30 } as AuthOptions;

/** A feed that can be cut off. */
class CuttableFeed extends InMemoryRevocationFeed {
  isCut = false;

  override async read(horizon: bigint | null): ReturnType<InMemoryRevocationFeed['read']> {
    if (this.isCut) throw new Error('the database is away');
    return super.read(horizon);
  }
}

describe('the security policy as it is displayed', () => {
  const warn = jest.fn();
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    warn.mockClear();
    Logger.overrideLogger({ log: () => undefined, error: () => undefined, warn });
  });
  afterEach(() => {
    jest.useRealTimers();
    Logger.overrideLogger(['warn', 'error']);
  });

  async function setup({ isStarted = true } = {}) {
    const store = new InMemoryStore();
    const feed = new CuttableFeed(store);
    const counted: string[] = [];
    const metrics = Object.assign(new NoMetrics(), { securityCache: (event: string) => void counted.push(event) });
    const view = new RevocationView(feed, options, new Logger(), metrics);
    // Another instance changes it, so that this one learns of it by its readings alone.
    const others = new InMemorySecurityPolicyRepository(store, new InMemoryRevocationFeed(store));
    store.currentPolicy();
    store.clock.advance(1);
    const handler = new GetSecurityPolicyHandler(view, others, options, metrics);
    const shown = async () => (await handler.execute()).gracePeriodSeconds;
    if (isStarted) await view.start();
    const stop = async (): Promise<void> => {
      const stopped = view.stop();
      await jest.advanceTimersByTimeAsync(5000);
      await stopped;
    };
    return { feed, counted, others, shown, stop };
  }

  it('comes from the view while that is fresh: a hit, at most a second old', async () => {
    const { counted, others, shown, stop } = await setup();
    expect(await shown()).toBe(300);
    await others.setGracePeriod(60);
    expect(await shown()).toBe(300);
    await jest.advanceTimersByTimeAsync(1000);
    expect(await shown()).toBe(60);
    expect(counted).toEqual(['hit', 'hit', 'hit']);
    await stop();
  });

  // Seen red with a view of any age.
  it('comes from the database when the view has grown older than the TTL: a miss', async () => {
    const { feed, counted, others, shown, stop } = await setup();
    feed.isCut = true;
    await others.setGracePeriod(60);
    await jest.advanceTimersByTimeAsync(29_000);
    expect(await shown()).toBe(300);
    await jest.advanceTimersByTimeAsync(1000);
    warn.mockClear();
    expect(await shown()).toBe(60);
    expect(counted).toEqual(['hit', 'miss']);
    expect(warn).not.toHaveBeenCalled();
    await stop();
  });

  it('comes from the database when the view cannot tell: an error with a warning, and a miss', async () => {
    const { feed, counted, others, shown, stop } = await setup();
    feed.isCut = true;
    await others.setGracePeriod(60);
    await jest.advanceTimersByTimeAsync(61_000);
    warn.mockClear();
    expect(await shown()).toBe(60);
    expect(counted).toEqual(['error', 'miss']);
    expect(warn).toHaveBeenCalledTimes(1);
    await stop();
  });

  it('comes from the database where no view runs: a miss without a warning', async () => {
    const { counted, shown } = await setup({ isStarted: false });
    expect(await shown()).toBe(300);
    expect(counted).toEqual(['miss']);
    expect(warn).not.toHaveBeenCalled();
  });
});
