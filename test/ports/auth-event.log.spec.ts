import { v7 as uuidv7 } from 'uuid';
import {
  Attempt,
  type AuthEvent,
  AuthTokenRefreshAttempted,
  AuthTokenRefreshFailed,
  AuthTokenRefreshSucceeded,
  type EventFilter,
  LoginAttempted,
  LoginFailed,
  RefreshTokenReuseDetected,
  RefusalsAggregated,
  SessionRevoked,
} from '../../src';
import { adapters, newSession, type Ports } from './adapters';

const START = new Date('2025-11-20T12:00:00.000Z').getTime();

/** A failed refresh, `minute` minutes after the start. */
function failedRefresh(subject: { userId: string; sessionId: string }, minute = 0): AuthEvent[] {
  const attempt = new Attempt({ ip: '2001:db8::1', userAgent: 'agent' }, new Date(START + minute * 60_000));
  return [
    new AuthTokenRefreshAttempted(attempt.beginning({ ...subject, generation: 3 })),
    new SessionRevoked(attempt.finding({ ...subject, generation: 3 }), 'reuse_detected'),
    new AuthTokenRefreshFailed(attempt.ending({ ...subject, generation: 3 }), 'token_revoked', 'user_logout'),
  ];
}

const idsOf = (events: readonly AuthEvent[]) => events.map(({ context }) => context.eventId);

describe.each(adapters)('the event log %s', (_name, make) => {
  let ports: Ports;
  let subject: { userId: string; sessionId: string };

  beforeAll(async () => {
    ports = await make();
  });
  afterAll(() => ports.close());
  beforeEach(() => {
    subject = { userId: uuidv7(), sessionId: uuidv7() };
  });

  const found = async (filter: EventFilter = { userId: subject.userId }) =>
    (await ports.log.find(filter, 1_000)).map((event) => ({ ...event }));
  const foundIds = async (filter?: EventFilter) => (await found(filter)).map(({ id }) => id);

  describe('append', () => {
    it('stores every event with everything that it tells', async () => {
      const attempt = new Attempt({ ip: '192.0.2.7', userAgent: 'agent' }, new Date(START));
      const parties = { ipAddress: null, userAgent: null, at: '2025-11-20T12:00:00.000Z', deviceId: null };
      const reuse = new RefreshTokenReuseDetected(
        attempt.finding({ ...subject, generation: 2 ** 32 - 1 }),
        4,
        60,
        'stale',
        parties,
        { ...parties, ipAddress: '192.0.2.7' },
      );
      const failed = new AuthTokenRefreshFailed(attempt.ending(subject), 'token_revoked', 'user_logout');
      await ports.log.append([reuse, failed]);

      const common = {
        ...subject,
        occurredAt: new Date(START),
        attemptId: attempt.id,
        ipAddress: '192.0.2.7',
        userAgent: 'agent',
        outcome: 'failed',
      };
      expect(await found()).toEqual([
        {
          ...common,
          id: failed.context.eventId,
          type: 'auth.token_refresh.failed.v1',
          generation: null,
          reason: 'token_revoked',
          details: { revokedReason: 'user_logout' },
        },
        {
          ...common,
          id: reuse.context.eventId,
          type: 'auth.token.reuse_detected.v1',
          generation: 2 ** 32 - 1,
          reason: null,
          details: {
            generationsBehind: 4,
            secondsSinceRotation: 60,
            reuseClass: 'stale',
            rotatedBy: parties,
            presentedBy: { ...parties, ipAddress: '192.0.2.7' },
          },
        },
      ]);
    });

    it('stores what belongs to no attempt and to nobody', async () => {
      const context = {
        eventId: uuidv7(),
        occurredAt: new Date(START),
        attemptId: null,
        userId: null,
        sessionId: null,
        generation: null,
        ipAddress: null,
        userAgent: 'Unknown',
      };
      await ports.log.append([new RefusalsAggregated(context, 17, 3)]);
      const { eventId: id, ...common } = context;
      expect(await found({ type: RefusalsAggregated.type })).toEqual([
        {
          ...common,
          id,
          type: RefusalsAggregated.type,
          outcome: 'failed',
          reason: null,
          details: { count: 17, distinctIps: 3 },
        },
      ]);
    });

    it('stores events of any month', async () => {
      const events = [-500_000, 0, 500_000].flatMap((minute) => failedRefresh(subject, minute));
      await ports.log.append(events);
      expect(await foundIds()).toEqual(idsOf(events).reverse());
    });

    it('joins the current unit of work: what is undone has no record', async () => {
      const session = newSession(subject);
      const unit = ports.unitOfWork.run(async () => {
        await ports.sessions.open(session);
        await ports.log.append(failedRefresh(subject));
        expect(await found()).toHaveLength(3);
        throw new Error('undone');
      });
      await expect(unit).rejects.toThrow('undone');
      expect(await found()).toEqual([]);
    });

    // Seen red with `ON CONFLICT DO NOTHING` in append.
    it('fails, with the change around it, when one of the events is stored already', async () => {
      const session = newSession({ userId: subject.userId });
      const record = failedRefresh(subject);
      await ports.log.append([record[2]!]);
      const unit = ports.unitOfWork.run(async () => {
        await ports.sessions.open(session);
        await ports.log.append(record);
      });
      await expect(unit).rejects.toThrow();
      expect(await ports.sessions.findById(session.id)).toBeNull();
      expect(await foundIds()).toEqual(idsOf([record[2]!]));
    });

    // Seen red with one statement: PostgreSQL takes 65,535 parameters.
    it('stores the end of more sessions than a statement has room for', async () => {
      const attempt = new Attempt({}, new Date(START));
      const events = Array.from(
        { length: 6_000 },
        () => new SessionRevoked(attempt.finding({ ...subject, sessionId: uuidv7() }), 'user_logout_all'),
      );
      await ports.log.append(events);
      expect(await ports.log.find({ userId: subject.userId }, 10_000)).toHaveLength(6_000);
    });

    it('is all or nothing without a unit of work, too', async () => {
      const record = failedRefresh(subject);
      await ports.log.append([record[1]!]);
      await expect(ports.log.append(record)).rejects.toThrow();
      expect(await foundIds()).toEqual(idsOf([record[1]!]));
    });
  });

  describe('appendNew', () => {
    // Seen red without `ON CONFLICT DO NOTHING`.
    it('keeps the first ending of an attempt, whichever it was', async () => {
      const attempt = new Attempt({}, new Date(START));
      const succeeded = new AuthTokenRefreshSucceeded(attempt.ending(subject), false, null, null);
      const attempted = new AuthTokenRefreshAttempted(attempt.beginning(subject));
      const fault = new AuthTokenRefreshFailed(attempt.ending(subject), 'fault');
      expect(await ports.log.appendNew([attempted, succeeded])).toEqual([attempted, succeeded]);
      expect(await ports.log.appendNew([attempted, fault])).toEqual([]);
      expect((await found()).map(({ type }) => type)).toEqual([
        'auth.token_refresh.succeeded.v1',
        'auth.token_refresh.attempted.v1',
      ]);
    });

    it('leaves what is stored, stores the rest, and answers the rest', async () => {
      const record = failedRefresh(subject);
      await ports.log.append([record[0]!]);
      const [, revoked, failed] = record;
      expect(await ports.log.appendNew(record)).toEqual([revoked, failed]);
      expect(await foundIds()).toEqual(idsOf(record).reverse());
    });

    it('stores an event once when ten calls do it at once, and one call answers it', async () => {
      const record = failedRefresh(subject);
      const stored = await Promise.all(Array.from({ length: 10 }, () => ports.log.appendNew(record)));
      expect(idsOf(stored.flat()).sort()).toEqual(idsOf(record));
      expect(await found()).toHaveLength(3);
    });
  });

  describe('find', () => {
    let records: AuthEvent[][];
    let events: AuthEvent[];
    let other: { userId: string; sessionId: string };

    beforeEach(async () => {
      other = { userId: subject.userId, sessionId: uuidv7() };
      const login = new Attempt({}, new Date(START + 5 * 60_000));
      records = [
        failedRefresh(subject, 0),
        failedRefresh(subject, 1),
        failedRefresh(other, 1),
        [new LoginAttempted(login.beginning(subject)), new LoginFailed(login.ending(subject), 'wrong_password')],
        failedRefresh({ userId: uuidv7(), sessionId: uuidv7() }, 2),
      ];
      events = records.flat();
      await ports.log.append([...events].reverse());
    });

    /** The ids of the events that `wanted` picks, newest first. */
    const expected = (wanted: (event: AuthEvent) => boolean) =>
      events
        .filter(wanted)
        .map(({ context: { occurredAt, eventId } }) => [occurredAt.toISOString(), eventId])
        .sort()
        .reverse()
        .map(([, id]) => id);
    const ofUser = ({ context }: AuthEvent) => context.userId === subject.userId;
    const timeOf = ({ context }: AuthEvent) => context.occurredAt.getTime();

    it('answers the newest first, and the events of an attempt in their order', async () => {
      expect(await foundIds()).toEqual(expected(ofUser));
    });

    it('finds by session', async () => {
      const { sessionId } = other;
      expect(await foundIds({ sessionId })).toEqual(expected(({ context }) => context.sessionId === sessionId));
    });

    it('finds by attempt', async () => {
      const { attemptId } = records[1]![0]!.context;
      expect(await foundIds({ attemptId: attemptId! })).toEqual(idsOf(records[1]!).reverse());
    });

    it('finds nothing behind an attempt that never was, whatever its id looks like', async () => {
      for (const attemptId of [
        uuidv7(),
        'ffffffff-ffff-4fff-bfff-ffffffffffff',
        '00000000-0000-0000-0000-000000000000',
      ]) {
        expect(await found({ attemptId })).toEqual([]);
      }
    });

    it('finds by type and by outcome', async () => {
      const { userId } = subject;
      expect(await foundIds({ userId, type: SessionRevoked.type })).toEqual(
        expected((event) => ofUser(event) && event instanceof SessionRevoked),
      );
      expect(await foundIds({ userId, outcome: 'failed' })).toEqual(
        expected((event) => ofUser(event) && (event instanceof LoginFailed || event instanceof AuthTokenRefreshFailed)),
      );
    });

    it('finds by time: from inclusive, to exclusive', async () => {
      const [from, to] = [new Date(START + 60_000), new Date(START + 5 * 60_000)];
      const { userId } = subject;
      expect(await foundIds({ userId, from })).toEqual(
        expected((event) => ofUser(event) && timeOf(event) >= START + 60_000),
      );
      expect(await foundIds({ userId, to })).toEqual(
        expected((event) => ofUser(event) && timeOf(event) < START + 300_000),
      );
      expect(await foundIds({ userId, from, to })).toEqual(
        expected((event) => ofUser(event) && timeOf(event) === START + 60_000),
      );
      expect(await found({ userId, from: to, to: from })).toEqual([]);
    });

    it('finds what every given filter finds, and ignores the absent ones', async () => {
      const { userId, sessionId } = subject;
      const filter = { userId, sessionId, type: undefined, from: undefined, attemptId: undefined, outcome: undefined };
      expect(await foundIds(filter)).toEqual(
        expected((event) => ofUser(event) && event.context.sessionId === sessionId),
      );
      expect(await found({ userId, sessionId: records[4]![0]!.context.sessionId! })).toEqual([]);
    });

    it('answers the oldest first where that is asked for, page by page', async () => {
      const { userId } = subject;
      const wanted = expected(ofUser).reverse();
      expect((await ports.log.find({ userId }, 1_000, undefined, 'oldest first')).map(({ id }) => id)).toEqual(wanted);
      const pages: string[] = [];
      for (let after; ;) {
        const page = await ports.log.find({ userId }, 4, after, 'oldest first');
        if (page.length === 0) break;
        pages.push(...page.map(({ id }) => id));
        after = page.at(-1)!;
      }
      expect(pages).toEqual(wanted);
    });

    // Seen red with `<=` for `<`, and with a position of the time alone.
    it.each([1, 2, 3, 100])(
      'reads on where a page of %d ended, without a gap and without a repetition',
      async (limit) => {
        const pages: string[][] = [];
        let after;
        while (pages.flat().length < events.length) {
          const page = await ports.log.find({ userId: subject.userId }, limit, after);
          const last = page.at(-1);
          if (last === undefined) break;
          expect(page.length).toBeLessThanOrEqual(limit);
          pages.push(page.map(({ id }) => id));
          after = { occurredAt: last.occurredAt, id: last.id };
          // What is recorded meanwhile is newer, and on none of the later pages.
          await ports.log.append(failedRefresh(subject, 10));
        }
        expect(pages.flat()).toEqual(expected(ofUser));
      },
    );
  });
});
