import { Logger } from '@nestjs/common';
import { EventEmitter2 } from '@nestjs/event-emitter';
import {
  Attempt,
  type AuthEvent,
  type AuthEventLog,
  type AuthOptions,
  AuthTokenRefreshAttempted,
  AuthTokenRefreshFailed,
  LogoutAttempted,
  LogoutFailed,
  Overloaded,
  RefusalsAggregated,
  type UnitOfWork,
  UserRegistered,
} from '../../src';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { RecordedAuthEvents } from '../../src/auth/infrastructure/events/recorded-auth-events';
import { InMemoryAuthEventLog, InMemoryStore, InMemoryUnitOfWork, MovableClock } from '../../src/testing';
import { onPostgres } from '../ports/adapters';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { gate } from '../support/gate';

class CountedFailures extends NoMetrics {
  readonly failures: string[] = [];
  override listenerFailed(eventType = ''): void {
    this.failures.push(eventType);
  }
}

/** A log whose database can be down, or slow for junk. */
class Breakable extends InMemoryAuthEventLog {
  fault: Error | null = null;
  junkWaitsFor: Promise<void> | null = null;

  override async appendNew(events: readonly AuthEvent[]): Promise<AuthEvent[]> {
    if (this.fault !== null) throw this.fault;
    if (events.some((event) => event instanceof LogoutFailed)) await this.junkWaitsFor;
    return super.appendNew(events);
  }
}

const clock = new MovableClock(new Date('2025-11-20T12:00:00.000Z'));
const refused = (now = clock.now()): AuthEvent[] => {
  const attempt = new Attempt({ ip: '192.0.2.1' }, now);
  return [
    new AuthTokenRefreshAttempted(attempt.beginning({})),
    new AuthTokenRefreshFailed(attempt.ending({}), 'token_expired'),
  ];
};
const junk = (ip = '192.0.2.66'): AuthEvent[] => {
  const attempt = new Attempt({ ip }, clock.now());
  return [new LogoutAttempted(attempt.beginning({})), new LogoutFailed(attempt.ending({}), 'token_invalid')];
};

function recording(log: AuthEventLog, unitOfWork: UnitOfWork) {
  const emitter = new EventEmitter2();
  const metrics = new CountedFailures();
  const events = new RecordedAuthEvents(log, emitter, metrics, clock, unitOfWork, {
    auditDeadlineMs: 2_000,
  } as AuthOptions);
  return { emitter, metrics, events };
}

describe('the recorded events', () => {
  let store: InMemoryStore;
  let log: Breakable;
  let emitter: EventEmitter2;
  let metrics: CountedFailures;
  let events: RecordedAuthEvents;
  let heard: AuthEvent[];
  let logged: jest.SpyInstance;

  beforeEach(() => {
    logged = jest.spyOn(Logger.prototype, 'error').mockImplementation();
    store = new InMemoryStore(clock);
    log = new Breakable(store);
    ({ emitter, metrics, events } = recording(log, new InMemoryUnitOfWork(store)));
    heard = [];
    for (const { type } of [AuthTokenRefreshAttempted, AuthTokenRefreshFailed, LogoutFailed, RefusalsAggregated]) {
      emitter.on(type, (event: AuthEvent) => heard.push(event));
    }
  });
  afterEach(async () => {
    log.fault = null;
    await events.onApplicationShutdown();
    jest.restoreAllMocks();
  });

  const stored = async (type?: string) => (await log.find({ type }, 100_000)).items;
  const idsOf = (all: readonly AuthEvent[]) => all.map(({ context }) => context.eventId);
  /** What the junk of the past minute has left: its own records, and the aggregated ones. */
  const afterTheMinute = async () => {
    await events.onApplicationShutdown();
    const own = (await stored(LogoutFailed.type)).length;
    return { own, aggregated: (await stored(RefusalsAggregated.type)).map(({ details }) => details) };
  };

  describe('record', () => {
    it('is done when the events are stored, and only then tells the listeners', async () => {
      const seenByListener: string[] = [];
      emitter.on(AuthTokenRefreshFailed.type, () => seenByListener.push(...store.events.keys()));
      const record = refused();
      await events.record(record);
      expect((await stored()).map(({ id }) => id)).toEqual(idsOf(record).reverse());
      expect(heard).toEqual(record);
      expect(seenByListener).toEqual(idsOf(record));
    });

    it('tells nothing twice: what another call has stored, that call tells', async () => {
      const record = refused();
      await events.record(record);
      await events.record(record);
      expect(heard).toEqual(record);
      expect(await stored()).toHaveLength(2);
    });

    it('fails as overloaded when nothing can be stored, tells nobody, and works again afterwards', async () => {
      log.fault = new Error('connection lost');
      await expect(events.record(refused())).rejects.toBeInstanceOf(Overloaded);
      expect(heard).toEqual([]);
      log.fault = null;
      const record = refused();
      await events.record(record);
      expect(heard).toEqual(record);
    });

    // Seen red without the catch around the listeners.
    it.each<[string, () => unknown]>([
      [
        'throws',
        () => {
          throw new Error('a bug');
        },
      ],
      ['rejects', () => Promise.reject(new Error('a bug'))],
    ])('is not changed by a listener that %s, which is logged and counted', async (_how, listener) => {
      const failing = gate();
      emitter.on(AuthTokenRefreshFailed.type, () => {
        failing.open();
        return listener();
      });
      await events.record(refused());
      await failing.opened;
      await new Promise(setImmediate);
      expect(metrics.failures).toEqual([AuthTokenRefreshFailed.type]);
      expect(logged).toHaveBeenCalledTimes(1);
      expect(await stored()).toHaveLength(2);
    });

    it('does not wait for a listener', async () => {
      emitter.on(AuthTokenRefreshFailed.type, (): unknown => new Promise(() => undefined));
      await events.record(refused());
      expect(await stored()).toHaveLength(2);
    });
  });

  describe('dispatch', () => {
    it('tells the listeners, and records nothing', async () => {
      const told = refused();
      events.dispatch(told);
      expect(heard).toEqual(told);
      expect(await stored()).toEqual([]);
    });

    // Seen red with events that are told at once.
    it('tells nothing of a unit of work that is undone, and the rest only once it is done', async () => {
      const units = new InMemoryUnitOfWork(store);
      const [undone, done] = [refused(), refused()];
      const work = units.run(async () => {
        events.dispatch(undone);
        throw new Error('undone');
      });
      await expect(work).rejects.toThrow('undone');
      await units.run(async () => {
        events.dispatch(done);
        expect(heard).toEqual([]);
      });
      expect(heard).toEqual(done);
    });

    it('needs no listener', () => {
      const attempt = new Attempt({}, clock.now());
      expect(() => events.dispatch([new UserRegistered(attempt.ending({}), [])])).not.toThrow();
    });
  });

  describe('recordUpTo', () => {
    const bound = { key: 'a session', most: 3 };
    const refusedIn = (sessionId: string | null, ip = '192.0.2.1'): AuthEvent[] => {
      const attempt = new Attempt({ ip }, clock.now());
      const subject = { userId: 'u1', sessionId };
      return [
        new AuthTokenRefreshAttempted(attempt.beginning(subject)),
        new AuthTokenRefreshFailed(attempt.ending(subject), 'replay_refused'),
      ];
    };
    const [one, other] = ['0190a5c8-7b1a-7cde-8f01-000000000001', '0190a5c8-7b1a-7cde-8f01-000000000002'];
    /** After the minute: how many were recorded of each session, and what was summed up. */
    const outcome = async () => {
      await events.onApplicationShutdown();
      const all = await stored();
      return {
        own: all
          .filter(({ type }) => type === AuthTokenRefreshFailed.type)
          .map(({ sessionId }) => sessionId)
          .toSorted(),
        sums: all
          .filter(({ type }) => type === RefusalsAggregated.type)
          .map(({ userId, sessionId, details }) => ({ userId, sessionId, ...details })),
      };
    };

    it('is done when the events are stored, and sums up what is beyond the bound, with its session and user', async () => {
      for (let i = 0; i < 3; i++) {
        await events.recordUpTo(bound, refusedIn(one));
        expect(await stored(AuthTokenRefreshFailed.type)).toHaveLength(i + 1);
      }
      for (let i = 0; i < 4; i++) await events.recordUpTo(bound, refusedIn(one, `2001:db8:1:${i % 2}::${i}`));
      await events.recordUpTo({ ...bound, key: 'another' }, refusedIn(other));
      const eventType = AuthTokenRefreshFailed.type;
      expect(await outcome()).toEqual({
        own: [one, one, one, other],
        sums: [{ userId: 'u1', sessionId: one, count: 4, distinctIps: 2, eventType }],
      });
      expect(heard.filter((event) => event instanceof RefusalsAggregated)).toHaveLength(1);
    });

    it('begins again with each window of a bound that has one, and is otherwise for good', async () => {
      for (const seconds of [60, undefined]) {
        const windowed = { key: `in ${seconds}`, most: 1, ...(seconds !== undefined && { seconds }) };
        for (let i = 0; i < 3; i++) await events.recordUpTo(windowed, refusedIn(one));
        clock.advance(60);
        for (let i = 0; i < 3; i++) await events.recordUpTo(windowed, refusedIn(one));
      }
      expect((await outcome()).own).toHaveLength(3);
    });

    // Seen red without giveBack.
    it('fails when nothing can be stored, and what has failed uses up nothing', async () => {
      log.fault = new Error('connection lost');
      for (let i = 0; i < 5; i++)
        await expect(events.recordUpTo(bound, refusedIn(one))).rejects.toBeInstanceOf(Overloaded);
      log.fault = null;
      for (let i = 0; i < 4; i++) await events.recordUpTo(bound, refusedIn(one));
      expect(await outcome()).toMatchObject({ own: [one, one, one], sums: [{ count: 1 }] });
    });

    it('lets no more pass that come at once', async () => {
      await Promise.all(Array.from({ length: 50 }, () => events.recordUpTo(bound, refusedIn(one))));
      expect(await outcome()).toMatchObject({ own: [one, one, one], sums: [{ count: 47 }] });
    });

    it('leaves a bounded number of sums: a minute of more has the rest among the junk', async () => {
      for (let i = 0; i < 1200; i++) {
        const id = `0190a5c8-7b1a-7cde-8f01-${String(i).padStart(12, '0')}`;
        await events.recordUpTo({ key: id, most: 0 }, refusedIn(id, `10.0.${i >> 8}.${i & 255}`));
      }
      const { own, sums } = await outcome();
      expect([own.length, sums.length]).toEqual([0, 1001]);
      const junk = { userId: null, sessionId: null, count: 200, distinctIps: 200 };
      expect(sums.filter(({ sessionId }) => sessionId === null)).toEqual([junk]);
    });
  });

  describe('recordJunk', () => {
    it('records ten of one address and minute one by one, tells the listeners, and the rest once', async () => {
      for (let i = 0; i < 25; i++) events.recordJunk(junk());
      events.recordJunk(junk('192.0.2.67'));
      expect(await afterTheMinute()).toEqual({ own: 11, aggregated: [{ count: 15, distinctIps: 1 }] });
      expect(heard.filter((event) => event instanceof LogoutFailed)).toHaveLength(11);
      expect(heard.filter((event) => event instanceof RefusalsAggregated)).toHaveLength(1);
    });

    it('leaves a bounded number of rows: 10,000 of one address, and 10,000 of as many', async () => {
      for (let i = 0; i < 10_000; i++) events.recordJunk(junk());
      for (let i = 0; i < 10_000; i++) events.recordJunk(junk(`10.0.${i >> 8}.${i & 255}`));
      const { own, aggregated } = await afterTheMinute();
      expect(own).toBe(100);
      expect(aggregated).toEqual([{ count: 19_900, distinctIps: 9_911 }]);
      expect(await stored()).toHaveLength(2 * 100 + 1);
    });

    it('aggregates once a minute, and nothing when there was nothing', async () => {
      jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
      try {
        const inFakeTime = recording(log, new InMemoryUnitOfWork(store));
        const minute = async () => {
          await jest.advanceTimersByTimeAsync(60_000);
          return (await stored(RefusalsAggregated.type)).map(({ details }) => details['count']);
        };
        for (let i = 0; i < 12; i++) inFakeTime.events.recordJunk(junk());
        expect(await minute()).toEqual([2]);
        expect(await minute()).toEqual([2]);
        clock.advance(120);
        for (let i = 0; i < 15; i++) inFakeTime.events.recordJunk(junk());
        expect(await minute()).toEqual([5, 2]);
        await inFakeTime.events.onApplicationShutdown();
      } finally {
        jest.useRealTimers();
      }
    });

    it('makes nobody wait: its queue is its own', async () => {
      const slow = gate();
      log.junkWaitsFor = slow.opened;
      for (let i = 0; i < 5; i++) events.recordJunk(junk());
      const record = refused();
      await events.record(record);
      expect((await stored()).map(({ id }) => id)).toEqual(idsOf(record).reverse());
      slow.open();
      expect(await afterTheMinute()).toEqual({ own: 5, aggregated: [] });
    });

    it('counts what could not be recorded, and never throws', async () => {
      log.fault = new Error('connection lost');
      for (let i = 0; i < 3; i++) events.recordJunk(junk());
      await new Promise(setImmediate);
      log.fault = null;
      expect(await afterTheMinute()).toEqual({ own: 0, aggregated: [{ count: 3, distinctIps: 1 }] });
    });

    it('takes events without an address', async () => {
      const attempt = new Attempt({}, clock.now());
      events.recordJunk([new LogoutFailed(attempt.ending({}), 'token_invalid')]);
      expect((await afterTheMinute()).own).toBe(1);
    });
  });

  it('are stored before the application ends', async () => {
    const slow = gate();
    log.junkWaitsFor = slow.opened;
    events.recordJunk(junk());
    const record = events.record(refused());
    const ended = events.onApplicationShutdown();
    slow.open();
    await ended;
    expect(await stored()).toHaveLength(4);
    await record;
  });
});

describe('the recorded events on PostgreSQL', () => {
  let database: TestDatabase;
  let ports: ReturnType<typeof onPostgres>;
  let events: RecordedAuthEvents;

  beforeAll(async () => {
    database = await testDatabase();
    ports = onPostgres(await database.connect());
    ({ events } = recording(ports.log, ports.unitOfWork));
  });
  afterAll(async () => {
    await events.onApplicationShutdown();
    await database.close();
  });

  const stored = async (record: readonly AuthEvent[]) =>
    (await ports.log.find({ attemptId: record[0]!.context.attemptId! }, 10)).items.length;

  // Seen red without the committer's own context.
  it('outlive a unit of work that records them and is then undone', async () => {
    const [first, second] = [refused(), refused()];
    const unit = ports.unitOfWork.run(async () => {
      // The second is gathered while the first is written: both kinds of batch must be outside.
      await Promise.all([events.record(first), events.record(second)]);
      throw new Error('undone');
    });
    await expect(unit).rejects.toThrow('undone');
    expect([await stored(first), await stored(second)]).toEqual([2, 2]);
  });

  it('do not fail for one among them that PostgreSQL cannot hold', async () => {
    const inText = refused().map((event) => withContext(event, { userAgent: 'a\0b' }));
    const attempt = new Attempt({}, clock.now());
    const inJson = [new UserRegistered(attempt.ending({}), ['a\0b'])];
    const notUuid = refused().map((event) => withContext(event, { sessionId: 'none' }));
    const good = Array.from({ length: 10 }, () => refused());
    const all = [...good.slice(0, 5), inText, inJson, ...good.slice(5), notUuid];
    const settled = await Promise.allSettled(all.map((record) => events.record(record)));
    expect(all.filter((_, at) => settled[at]?.status === 'rejected')).toEqual([inText, inJson, notUuid]);
    expect(await Promise.all(good.map(stored))).toEqual(Array(10).fill(2));
  });
});

const withContext = (event: AuthEvent, changes: object): AuthEvent =>
  Object.assign(Object.create(Object.getPrototypeOf(event)), event, { context: { ...event.context, ...changes } });
