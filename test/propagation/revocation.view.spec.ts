import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { AccessTokenAuthenticator, Overloaded, type RevocationReading, RevocationView } from '../../src';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { InMemoryRevocationFeed, InMemorySecurityPolicyRepository, InMemoryStore } from '../../src/testing';
import { gate } from '../support/gate';
import { FakeSigner, SESSION_ID, USER_ID } from '../http/unit/fakes';

const TTL_SECONDS = 900;
const MARGIN_SECONDS = 120;
const limits = { accessTokenTtlSeconds: TTL_SECONDS, maxStalenessSeconds: 60 };

/** The in-memory feed, of which readings can be held back, spoilt, counted and divided into pages. */
class ObservedFeed extends InMemoryRevocationFeed {
  readonly horizons: (bigint | null)[] = [];
  pageSize = Infinity;
  spoil: (reading: RevocationReading) => RevocationReading | Promise<RevocationReading> = (reading) => reading;

  override async read(horizon: bigint | null, page = 0n): Promise<RevocationReading> {
    this.horizons.push(horizon);
    const reading = await super.read(horizon);
    const end = Number(page) + this.pageSize;
    const revocations = horizon === null ? reading.revocations.slice(Number(page), end) : reading.revocations;
    const isLast = horizon !== null || end >= reading.revocations.length;
    return this.spoil({ ...reading, revocations, ...(!isLast && { nextPage: BigInt(end) }) });
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
      by.announce([{ kind: 'session', sessionId }], 'user_logout');
    /** Lets time pass, for the database, too. */
    const live = async (seconds: number): Promise<void> => {
      for (let second = 0; second < seconds; second++) {
        store.clock.advance(1);
        await pass(1000);
      }
    };
    return { store, feed, sizes, seen, view, own, others, rotate, logOut, live };
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
    await others.raiseUserFloor(user, 'a test', null);
    await logOut(session);
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
    await logOut(session, feed);
    await own.raiseUserFloor(user, 'a test', null);
    await rotate(own);
    expect(view.isRevoked(session)).toBe(true);
    expect(view.floorsOf(user).floors).toMatchObject({ globalMinTokenVersion: 2, userMinTokenVersion: 2 });
    expect(feed.horizons).toEqual([null]);
    await end(view);
  });

  // Seen red when merging replaces what is known instead of raising it.
  it('lowers nothing for a reading that was overtaken by a change', async () => {
    const { store, feed, view, own, rotate } = setup();
    await own.raiseUserFloor(user, 'a test', null);
    const { opened, open } = gate();
    const early = store.revocations;
    await view.start();
    feed.spoil = async (reading) => (await opened, { ...reading, revocations: early, horizon: 1n });
    await pass(1000); // the reading is on its way, with the floors 1 and 2
    await rotate(own);
    await own.raiseUserFloor(user, 'a test', null);
    open();
    await pass(0);
    expect(view.floorsOf(user).floors).toMatchObject({ globalMinTokenVersion: 2, userMinTokenVersion: 3 });
    await end(view);
  });

  it('answers hints early, and a flood of them with one reading in 50 ms', async () => {
    const { feed, view, logOut } = setup();
    await view.start();
    await pass(500);
    await logOut(session);
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
    await logOut(session); // after the reading was made, before it has arrived
    view.hint();
    open();
    await pass(0);
    expect(view.isRevoked(session)).toBe(false);
    await pass(50);
    expect(view.isRevoked(session)).toBe(true);
    await end(view);
  });

  // Seen red when the next reading takes up where the last good one ended: what failed may have been another server's answer.
  it('keeps what it knows when a reading fails, and then reads everything', async () => {
    const { feed, view, logOut } = setup();
    await logOut(session);
    await view.start();
    const good = feed.spoil;
    feed.spoil = () => Promise.reject(new Error('the database is away'));
    const later = randomUUID();
    await logOut(later);
    await pass(3000);
    expect(view.isRevoked(session)).toBe(true);
    expect(view.floorsOf(user).floors.globalMinTokenVersion).toBe(1);

    feed.spoil = good;
    await pass(1000);
    expect(view.isRevoked(later)).toBe(true);
    expect(feed.horizons).toEqual([null, 1n, null, null, null]);
    await pass(1000);
    expect(feed.horizons.at(-1)).toBe(2n);
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
    await logOut(session);
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
    await logOut(session);
    await view.start();
    const restored = randomUUID();
    store.revocations = []; // a backup of an hour ago …
    store.policy = { ...store.policy!, globalMinTokenVersion: 1 };
    await pass(1000);
    await logOut(restored); // … in which somebody logs out
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
    const { store, feed, sizes, view, others, logOut, live } = setup();
    await view.start();
    for (let i = 0; i < 1000; i++) await logOut(randomUUID());
    await logOut(session);
    await others.raiseUserFloor(user, 'a test', null);
    await pass(1000);
    expect(sizes.at(-1)).toBe(1002);

    // What was read once is not read again: with PostgreSQL an open transaction may bring it back, and it lives longer.
    expect(feed.horizons.at(-1)).toBe(0n);
    await live(TTL_SECONDS + MARGIN_SECONDS);
    expect(view.isRevoked(session)).toBe(true);
    expect(view.floorsOf(user).floors.userMinTokenVersion).toBe(2);

    await live(61);
    expect(view.isRevoked(session)).toBe(false);
    expect(view.floorsOf(user).floors.userMinTokenVersion).toBe(1);
    expect(sizes.at(-1)).toBe(0);
    expect(store.policy?.globalMinTokenVersion).toBe(view.floorsOf(user).floors.globalMinTokenVersion);
    await end(view);
  });

  describe('when another server answers', () => {
    /** The view of a server with three revocations, and then a failover that loses them, after which others were ended. */
    async function failOver() {
      const parts = setup();
      const missed = randomUUID();
      for (let i = 0; i < 3; i++) await parts.logOut(randomUUID());
      await parts.view.start();
      await parts.live(1);
      parts.store.server = 'the former standby';
      parts.store.revocations = [];
      for (const one of [missed, randomUUID(), randomUUID(), randomUUID()]) await parts.logOut(one);
      return { ...parts, missed };
    }

    // Seen red with what is beyond the horizon alone: the new server had got past it before it was asked.
    it('reads everything at once, and knows for 15 minutes that another one has answered', async () => {
      const { feed, view, missed, live } = await failOver();
      expect(view.otherServerAnswered).toBe(false);
      await live(1);
      expect(feed.horizons).toEqual([null, 3n, 3n, null]);
      expect(view.isRevoked(missed)).toBe(true);
      expect(view.otherServerAnswered).toBe(true);

      await live(15 * 60 - 1);
      expect(view.otherServerAnswered).toBe(true);
      await live(1);
      expect(view.otherServerAnswered).toBe(false);
      expect(feed.horizons.at(-1)).toBe(4n);
      await end(view);
    });

    // Seen red when its increment counts: the view was fresh, and did not know what was ended.
    it('is not fresh before everything has been read', async () => {
      const { feed, view, missed, live } = await failOver();
      const good = feed.spoil;
      const away = () => Promise.reject(new Error('the database is away'));
      feed.spoil = (reading) => (feed.horizons.at(-1) === null ? away() : reading);
      await live(2);
      expect(view.stalenessSeconds).toBe(2);
      expect(feed.horizons).toEqual([null, 3n, 3n, null, null]);
      feed.spoil = good;
      await live(1);
      expect(view.stalenessSeconds).toBe(0);
      expect(view.isRevoked(missed)).toBe(true);
      await end(view);
    });
  });

  describe('by the clock of the database alone', () => {
    // Seen red with the process's clock for the one and the database's for the other.
    it('forgets nothing that a token can meet whose life is longer, because the clock was set back', async () => {
      const { store, view, logOut, live } = setup();
      await logOut(session);
      await view.start();
      store.clock.advance(-3600);
      await live(TTL_SECONDS + MARGIN_SECONDS + 61);
      expect(view.floorsOf(user).now).toEqual(store.clock.now());
      expect(view.isRevoked(session)).toBe(true);
      await end(view);
    });

    // Seen red with increments alone: the token lived again, and its revocation was forgotten.
    it('reads everything again once it was set back, before that counts', async () => {
      const { store, feed, view, logOut, live } = setup();
      await logOut(session);
      await view.start();
      store.clock.advance(3600);
      await live(61);
      expect(view.isRevoked(session)).toBe(false);

      feed.horizons.length = 0;
      store.clock.advance(-3600);
      await live(1);
      expect(feed.horizons).toEqual([1n, null]);
      expect(view.floorsOf(user).now).toEqual(store.clock.now());
      expect(view.isRevoked(session)).toBe(true);
      expect(view.otherServerAnswered).toBe(false);
      await end(view);
    });

    it.each([
      [1.9, [0n]],
      [2.1, [0n, null]],
    ])('has a tolerance of two seconds: %s s back', async (seconds, horizons) => {
      const { store, feed, view, live } = setup();
      await view.start();
      await live(1);
      feed.horizons.length = 0;
      store.clock.advance(-seconds);
      await live(1);
      expect(feed.horizons).toEqual(horizons);
      await end(view);
    });

    // Seen red without an end for what is ended before the first reading.
    it('forgets what this process had ended before it knew the clock', async () => {
      const { store, feed, view, sizes, logOut, live } = setup();
      const { opened, open } = gate();
      feed.spoil = async (reading) => (await opened, reading);
      const started = view.start();
      await pass(1);
      await logOut(session, feed);
      open();
      await started;
      await live(1);
      expect(view.isRevoked(session)).toBe(true);
      store.clock.advance(TTL_SECONDS + MARGIN_SECONDS);
      await live(61);
      expect(sizes.at(-1)).toBe(0);
      await end(view);
    });
  });

  describe('of many revocations', () => {
    async function many() {
      const parts = setup();
      const all = Array.from({ length: 25 }, () => randomUUID());
      for (const one of all) await parts.logOut(one);
      parts.feed.pageSize = 10;
      return { ...parts, all };
    }

    // Seen red with the horizon of the last page.
    it('loads pages, knows nothing before the last, and goes on from where the first one was read', async () => {
      const { feed, view, all, logOut } = await many();
      const { opened, open } = gate();
      // Committed in between with a key that has been passed.
      const isLate = ({ sessionId }: { sessionId?: string }) => sessionId === session;
      feed.spoil = async (reading) => {
        if (feed.horizons.length > 1) await opened;
        return feed.horizons.length > 3
          ? reading
          : { ...reading, revocations: reading.revocations.filter((one) => !isLate(one as { sessionId?: string })) };
      };
      const started = view.start();
      await pass(10);
      await logOut(session);
      expect(() => view.floorsOf(user)).toThrow(Overloaded);
      open();
      await started;
      expect(feed.horizons).toEqual([null, null, null]);
      expect(all.every((one) => view.isRevoked(one))).toBe(true);
      await pass(1000);
      expect(feed.horizons.at(-1)).toBe(25n);
      expect(view.isRevoked(session)).toBe(true);
      await end(view);
    });

    // Seen red with pages of two servers put together.
    it('begins anew when another server answers in the middle', async () => {
      const { store, feed, view } = await many();
      feed.spoil = (reading) => {
        if (feed.horizons.length === 2) store.server = 'the former standby';
        return { ...reading, server: store.server };
      };
      await view.start();
      expect(() => view.floorsOf(user)).toThrow(Overloaded);
      await pass(1000);
      expect(feed.horizons).toEqual([null, null, null, null, null]);
      expect(view.floorsOf(user).floors.globalMinTokenVersion).toBe(1);
      await end(view);
    });

    it('ends between two pages', async () => {
      const { feed, view } = await many();
      const { opened, open } = gate();
      feed.spoil = async (reading) => (await opened, reading);
      const started = view.start();
      await pass(10);
      const ended = view.stop();
      open();
      await Promise.all([started, ended]);
      expect(feed.horizons).toEqual([null]);
      expect(() => view.floorsOf(user)).toThrow(Overloaded);
    });
  });

  describe('of a process that was frozen', () => {
    /** As a machine sleeps: the monotonic clock and the timers stand still. */
    const sleep = (seconds: number) => jest.setSystemTime(Date.now() + seconds * 1000);

    // Seen red with the monotonic clock alone.
    it('is as old as the clock says that goes on', async () => {
      const { feed, view } = setup();
      await view.start();
      feed.spoil = () => Promise.reject(new Error('the database is away'));
      sleep(60);
      expect(view.floorsOf(user).floors.globalMinTokenVersion).toBe(1);
      sleep(1);
      expect(view.stalenessSeconds).toBe(61);
      expect(() => view.floorsOf(user)).toThrow(Overloaded);
      await end(view);
    });

    it('is as old as the other clock says when that one was set back', async () => {
      const { feed, view } = setup();
      await view.start();
      feed.spoil = () => Promise.reject(new Error('the database is away'));
      sleep(-3600);
      await pass(60_001);
      expect(() => view.floorsOf(user)).toThrow(Overloaded);
      await end(view);
    });

    function authenticatorOf(view: RevocationView): AccessTokenAuthenticator {
      const signer = new FakeSigner();
      const iat = Math.floor(Date.now() / 1000);
      signer.issue('good', { iat, exp: iat + TTL_SECONDS });
      return new AccessTokenAuthenticator(signer, view, limits);
    }

    // Seen red by what it knew: the first requests after the sleep were granted.
    it('decides after one reading, which the requests share', async () => {
      const { feed, view, logOut } = setup();
      const authenticator = authenticatorOf(view);
      await view.start();
      expect(authenticator.authenticate('good')).toMatchObject({ userId: USER_ID });
      await logOut(SESSION_ID);
      sleep(3);
      feed.horizons.length = 0;
      const answers = [authenticator.authenticate('good'), authenticator.authenticate('good')];
      expect(answers).toEqual([expect.any(Promise), expect.any(Promise)]);
      expect(await Promise.all(answers.map((answer) => Promise.resolve(answer)))).toEqual([null, null]);
      expect(feed.horizons).toEqual([0n]);
      expect(authenticator.authenticate('good')).toBeNull();
      await end(view);
    });

    // Seen red in a real process: its timer was due, so that the poll had begun when the first request came.
    it('waits for the first reading after the sleep also if the poll has begun it', async () => {
      const { feed, view, logOut } = setup();
      const authenticator = authenticatorOf(view);
      await view.start();
      await logOut(SESSION_ID);
      sleep(3);
      const { opened, open } = gate();
      feed.spoil = async (reading) => (await opened, reading);
      feed.horizons.length = 0;
      await pass(1000);
      expect(feed.horizons).toEqual([0n]);
      const answer = authenticator.authenticate('good');
      open();
      expect(await answer).toBeNull();
      expect(feed.horizons).toEqual([0n]);
      await end(view);
    });

    // Seen red without the limit: requests hung on a database that was silent.
    it('waits a second at most, and then decides by what it knows as long as that is young enough', async () => {
      const { feed, view, logOut } = setup();
      const authenticator = authenticatorOf(view);
      await view.start();
      await logOut(SESSION_ID);
      const { opened, open } = gate();
      feed.spoil = async (reading) => (await opened, reading);
      for (const [seconds, outcome] of [
        [3, 'granted'],
        [60, '503'],
      ] as const) {
        sleep(seconds);
        const answer = Promise.resolve(authenticator.authenticate('good')).then(
          (principal) => (principal === null ? 'refused' : 'granted'),
          (error: unknown) => (error instanceof Overloaded ? '503' : error),
        );
        await pass(1000);
        expect(await answer).toBe(outcome);
      }
      open();
      await pass(1000);
      expect(authenticator.authenticate('good')).toBeNull();
      await end(view);
    });

    // Seen red when the answer counts: it was new before the sleep.
    it('does not take for news what it had asked before', async () => {
      const { feed, view, logOut } = setup();
      await view.start();
      const { opened, open } = gate();
      const good = feed.spoil;
      feed.spoil = async (reading) => (await opened, reading);
      await pass(1000);
      feed.spoil = good;
      await logOut(session);
      sleep(30);
      open();
      await pass(0);
      expect(view.stalenessSeconds).toBeGreaterThan(30);
      await view.catchingUp;
      expect(view.isRevoked(session)).toBe(true);
      expect(feed.horizons.slice(-2)).toEqual([0n, null]);
      await end(view);
    });

    it('keeps the later of two readings', async () => {
      const { feed, view } = setup();
      await view.start();
      const { opened, open } = gate();
      const good = feed.spoil;
      feed.spoil = async (reading) => (await opened, { ...reading, server: 'the former primary' });
      await pass(1000);
      feed.spoil = good;
      await pass(4000);
      sleep(4);
      await view.catchingUp;
      expect(view.stalenessSeconds).toBe(0);
      open();
      await pass(0);
      expect(view.stalenessSeconds).toBe(0);
      expect(view.otherServerAnswered).toBe(false);
      await end(view);
    });

    // Seen red when a silent database counts as a freeze.
    it.each([
      ['at its start', async () => undefined, undefined],
      ['in an idle quarter of an hour', ({ live }) => live(900), undefined],
      ['while the database refuses', () => pass(50_000), () => Promise.reject(new Error('the database is away'))],
      ['while the database is silent', () => pass(50_000), () => new Promise<never>(() => undefined)],
    ] as [string, (parts: ReturnType<typeof setup>) => Promise<void>, undefined | ObservedFeed['spoil']][])(
      'was not frozen %s: nothing waits, and nothing is refused that was not before',
      async (_, passes, fault) => {
        const parts = setup();
        const { feed, view } = parts;
        const starting = view.start();
        expect(view.catchingUp).toBeUndefined();
        await starting;
        if (fault !== undefined) feed.spoil = fault;
        const looks = setInterval(() => {
          expect(view.catchingUp).toBeUndefined();
          expect(view.floorsOf(user).floors.globalMinTokenVersion).toBe(1);
        }, 333);
        await passes(parts);
        clearInterval(looks);
        expect(view.catchingUp).toBeUndefined();
        if (fault === undefined) expect(feed.horizons.lastIndexOf(null)).toBe(0);
        await end(view);
      },
    );
  });

  it("counts how long other instances' revocations took, once each, and not its own", async () => {
    const { store, feed, seen, view, logOut } = setup();
    await logOut(randomUUID()); // before the start: nobody waited for it
    await view.start();
    await logOut(randomUUID(), feed);
    await logOut(session);
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
    await logOut(session, feed);
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
