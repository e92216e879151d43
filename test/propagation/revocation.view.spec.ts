import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { Overloaded, type RevocationReading, RevocationView } from '../../src';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { InMemoryRevocationFeed, InMemorySecurityPolicyRepository, InMemoryStore } from '../../src/testing';
import { gate } from '../support/gate';

const TTL_SECONDS = 900;
const MARGIN_SECONDS = 120;
const limits = { accessTokenTtlSeconds: TTL_SECONDS, maxStalenessSeconds: 60 };

/** The in-memory feed, of which readings can be held back, spoilt and counted. */
class ObservedFeed extends InMemoryRevocationFeed {
  readonly horizons: (bigint | null)[] = [];
  spoil: (reading: RevocationReading) => RevocationReading | Promise<RevocationReading> = (reading) => reading;

  override async read(horizon: bigint | null): Promise<RevocationReading> {
    this.horizons.push(horizon);
    return this.spoil(await super.read(horizon));
  }
}

function recordingMetrics() {
  const sizes: number[] = [];
  const seen: number[] = [];
  const recorders = {
    viewRefreshed: (size: number): void => void sizes.push(size),
    revocationSeen: (seconds: number): void => void seen.push(seconds),
  };
  return { sizes, seen, metrics: Object.assign(new NoMetrics(), recorders) };
}

describe('the view of revocations', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    Logger.overrideLogger(false);
  });
  afterEach(() => {
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
    Logger.overrideLogger(['warn', 'error']);
  });

  function setup() {
    const store = new InMemoryStore();
    const feed = new ObservedFeed(store);
    const { metrics, sizes, seen } = recordingMetrics();
    const own = new InMemorySecurityPolicyRepository(store, feed);
    const view = new RevocationView(feed, limits, new Logger(), metrics);
    // What another instance announces reaches this one by its readings alone.
    const elsewhere = new InMemoryRevocationFeed(store);
    const others = new InMemorySecurityPolicyRepository(store, elsewhere);
    const rotate = (repository = others) =>
      repository.raiseGlobalFloor({
        mode: 'immediate',
        gracePeriodSeconds: null,
        reason: 'test',
        expectedVersion: null,
        by: 1,
      });
    const logOut = (sessionId: string, by: InMemoryRevocationFeed = elsewhere) =>
      by.announce([{ kind: 'session', sessionId }]);
    return { store, feed, sizes, seen, view, own, others, rotate, logOut };
  }

  const user = randomUUID();
  const session = randomUUID();
  const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);
  /** Shuts down, giving time to what waits for a timer. */
  const end = async (view: RevocationView): Promise<void> => {
    const ended = view.stop();
    await pass(5000);
    await ended;
  };

  it('knows nothing before its first complete load, and says so instead of guessing', async () => {
    const { feed, view, own, rotate } = setup();
    const { opened, open } = gate();
    feed.spoil = async (reading) => (await opened, reading);
    const started = view.start();
    await pass(10);
    expect(view.stalenessSeconds).toBe(Infinity);
    expect(() => view.floorsOf(user)).toThrow(Overloaded);

    await rotate(own); // this instance's own change: a part of the truth is not the truth
    expect(() => view.floorsOf(user)).toThrow(Overloaded);

    open();
    await started;
    expect(view.floorsOf(user).floors).toMatchObject({ globalMinTokenVersion: 2, userMinTokenVersion: 1 });
    await end(view);
  });

  // Seen red when the view is made of announcements alone: their rows are gone long before a drain of an hour is over.
  it('reads the whole policy, however long ago it was changed', async () => {
    const { store, view, others } = setup();
    await others.raiseGlobalFloor({
      mode: 'drain',
      gracePeriodSeconds: 3600,
      reason: 'breach',
      expectedVersion: null,
      by: 1,
    });
    store.revocations = [];
    await view.start();
    expect(view.floorsOf(user).floors).toMatchObject({
      globalMinTokenVersion: 2,
      mode: 'drain',
      graceEndsAt: store.policy?.graceEndsAt,
    });
    await end(view);
  });

  it('looks once a second, each time from where the last reading ended', async () => {
    const { feed, view, others, logOut } = setup();
    await view.start();
    await others.raiseUserFloor(user, 'a test');
    logOut(session);
    expect(view.isRevoked(session)).toBe(false);

    await pass(1000);
    expect(view.isRevoked(session)).toBe(true);
    expect(view.floorsOf(user).floors.userMinTokenVersion).toBe(2);
    await pass(2000);
    expect(feed.horizons).toEqual([null, 0n, 2n, 2n]);
    await end(view);
  });

  it('counts time by the clock of the database', async () => {
    const { store, view } = setup();
    store.clock.advance(3600);
    await view.start();
    expect(view.floorsOf(user).now).toEqual(store.clock.now());
    await end(view);
  });

  it('refuses at once what this instance has revoked itself', async () => {
    const { feed, view, own, rotate, logOut } = setup();
    await view.start();
    logOut(session, feed);
    await own.raiseUserFloor(user, 'a test');
    await rotate(own);
    expect(view.isRevoked(session)).toBe(true);
    expect(view.floorsOf(user).floors).toMatchObject({ globalMinTokenVersion: 2, userMinTokenVersion: 2 });
    expect(feed.horizons).toEqual([null]);
    await end(view);
  });

  // Seen red when merging replaces what is known instead of raising it.
  it('lowers nothing for a reading that was overtaken by a change', async () => {
    const { store, feed, view, own, rotate } = setup();
    await own.raiseUserFloor(user, 'a test');
    const { opened, open } = gate();
    const early = store.revocations;
    await view.start();
    feed.spoil = async (reading) => (await opened, { ...reading, revocations: early, horizon: 1n });
    await pass(1000); // the reading is on its way, with the floors 1 and 2
    await rotate(own);
    await own.raiseUserFloor(user, 'a test');
    open();
    await pass(0);
    expect(view.floorsOf(user).floors).toMatchObject({ globalMinTokenVersion: 2, userMinTokenVersion: 3 });
    await end(view);
  });

  it('answers hints early, and a flood of them with one reading in 50 ms', async () => {
    const { feed, view, logOut } = setup();
    await view.start();
    await pass(500);
    logOut(session);
    view.hint();
    await pass(0);
    expect(view.isRevoked(session)).toBe(true);

    feed.horizons.length = 0;
    for (let ms = 0; ms < 1000; ms++) {
      view.hint();
      await pass(1);
    }
    expect(feed.horizons).toHaveLength(20);
    await end(view);
  });

  it('looks again for a hint that came while it was reading', async () => {
    const { feed, view, logOut } = setup();
    await view.start();
    const { opened, open } = gate();
    feed.spoil = async (reading) => (await opened, reading);
    view.hint();
    await pass(50);
    logOut(session); // after the reading was made, before it has arrived
    view.hint();
    open();
    await pass(0);
    expect(view.isRevoked(session)).toBe(false);
    await pass(50);
    expect(view.isRevoked(session)).toBe(true);
    await end(view);
  });

  it('keeps what it knows when a reading fails, and takes up where the last good one ended', async () => {
    const { feed, view, logOut } = setup();
    logOut(session);
    await view.start();
    const good = feed.spoil;
    feed.spoil = () => Promise.reject(new Error('the database is away'));
    const later = randomUUID();
    logOut(later);
    await pass(3000);
    expect(view.isRevoked(session)).toBe(true);
    expect(view.floorsOf(user).floors.globalMinTokenVersion).toBe(1);

    feed.spoil = good;
    await pass(1000);
    expect(view.isRevoked(later)).toBe(true);
    expect(feed.horizons).toEqual([null, 1n, 1n, 1n, 1n]);
    await end(view);
  });

  it('tries a complete load again until it has one', async () => {
    const { feed, view } = setup();
    const good = feed.spoil;
    feed.spoil = () => Promise.reject(new Error('the database is away'));
    await view.start();
    await pass(1000);
    expect(() => view.floorsOf(user)).toThrow(Overloaded);
    feed.spoil = good;
    await pass(1000);
    expect(view.floorsOf(user).floors.globalMinTokenVersion).toBe(1);
    expect(feed.horizons).toEqual([null, null, null]);
    await end(view);
  });

  it('does not wait for ever for a reading', async () => {
    const { feed, view, logOut } = setup();
    await view.start();
    const good = feed.spoil;
    feed.spoil = () => new Promise<never>(() => undefined);
    await pass(1000);
    feed.spoil = good;
    logOut(session);
    await pass(6000);
    expect(view.isRevoked(session)).toBe(true);
    await end(view);
  });

  it.each([
    ['when hints may have been lost', (view: RevocationView) => view.reset()],
    ['when hints may have been lost while it was failing', (view: RevocationView) => view.reset(), true],
  ])('reads everything again %s', async (_, lose, failing = false) => {
    const { feed, view } = setup();
    await view.start();
    const good = feed.spoil;
    lose(view);
    if (failing) feed.spoil = () => Promise.reject(new Error('the database is away'));
    await pass(1000);
    feed.spoil = good;
    await pass(1000);
    expect(feed.horizons.slice(0, failing ? 3 : 2)).toEqual(failing ? [null, null, null] : [null, null]);
    await end(view);
  });

  it('reads everything again when the database is older than it was, and still forgets nothing', async () => {
    const { store, feed, view, logOut, rotate } = setup();
    await rotate();
    logOut(session);
    await view.start();
    const restored = randomUUID();
    store.revocations = []; // a backup of an hour ago …
    store.policy = { ...store.policy!, globalMinTokenVersion: 1 };
    await pass(1000);
    logOut(restored); // … in which somebody logs out
    await pass(1000);
    expect(feed.horizons.slice(0, 3)).toEqual([null, 1n, null]);
    expect(view.isRevoked(session)).toBe(true);
    expect(view.isRevoked(restored)).toBe(true);
    expect(view.floorsOf(user).floors.globalMinTokenVersion).toBe(2);
    await end(view);
  });

  it('does not answer from a view that has grown too old, and answers again after the next reading', async () => {
    const { feed, view } = setup();
    await view.start();
    const good = feed.spoil;
    feed.spoil = () => Promise.reject(new Error('the database is away'));
    await pass(60_000);
    expect(view.stalenessSeconds).toBe(60);
    expect(view.floorsOf(user).floors.globalMinTokenVersion).toBe(1);
    await pass(1);
    expect(() => view.floorsOf(user)).toThrow(Overloaded);

    feed.spoil = good;
    await pass(1000);
    expect(view.floorsOf(user).floors.globalMinTokenVersion).toBe(1);
    await end(view);
  });

  it('takes its age from the start of a reading, not from its end', async () => {
    const { feed, view } = setup();
    const { opened, open } = gate();
    feed.spoil = async (reading) => (await opened, reading);
    const started = view.start();
    await pass(4000);
    open();
    await started;
    expect(view.stalenessSeconds).toBe(4);
    await end(view);
  });

  it('forgets a revocation when no token can meet it any more, and not before', async () => {
    const { store, feed, sizes, view, others, logOut } = setup();
    await view.start();
    for (let i = 0; i < 1000; i++) logOut(randomUUID());
    logOut(session);
    await others.raiseUserFloor(user, 'a test');
    await pass(1000);
    expect(sizes.at(-1)).toBe(1002);

    // What was read once is not read again: with PostgreSQL an open transaction may bring it back, and it lives longer.
    expect(feed.horizons.at(-1)).toBe(0n);
    await pass((TTL_SECONDS + MARGIN_SECONDS) * 1000);
    expect(view.isRevoked(session)).toBe(true);
    expect(view.floorsOf(user).floors.userMinTokenVersion).toBe(2);

    await pass(61_000);
    expect(view.isRevoked(session)).toBe(false);
    expect(view.floorsOf(user).floors.userMinTokenVersion).toBe(1);
    expect(sizes.at(-1)).toBe(0);
    expect(store.policy?.globalMinTokenVersion).toBe(view.floorsOf(user).floors.globalMinTokenVersion);
    await end(view);
  });

  it("counts how long other instances' revocations took, once each, and not its own", async () => {
    const { store, feed, seen, view, logOut } = setup();
    logOut(randomUUID()); // before the start: nobody waited for it
    await view.start();
    logOut(randomUUID(), feed);
    logOut(session);
    store.clock.advance(0.25);
    await pass(1000);
    view.reset();
    await pass(1000);
    expect(seen).toEqual([0.25]);
    await end(view);
  });

  it('ends with the application: it waits for the reading that is under way, and no hint starts another', async () => {
    const { store, feed, view, logOut } = setup();
    await view.start();
    const { opened, open } = gate();
    feed.spoil = async (reading) => (await opened, reading);
    await pass(1000);
    let ended = false;
    const ending = view.stop().then(() => (ended = true));
    await pass(100);
    expect(ended).toBe(false);
    open();
    await ending;

    view.hint();
    view.reset();
    logOut(session, feed);
    await pass(10_000);
    expect(feed.horizons).toHaveLength(2);
    expect(store.revocations).toHaveLength(1);
    expect(view.isRevoked(session)).toBe(false); // it watches no more, either
  });

  it('ends before it has begun', async () => {
    const { view } = setup();
    await expect(view.stop()).resolves.toBeUndefined();
  });
});
