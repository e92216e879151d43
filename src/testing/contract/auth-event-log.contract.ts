import assert from 'node:assert/strict';
import { v7 as uuidv7 } from 'uuid';
import {
  Attempt,
  type AuthEvent,
  AuthTokenRefreshAttempted,
  AuthTokenRefreshFailed,
  AuthTokenRefreshSucceeded,
  type EventFilter,
  type EventPosition,
  LoginAttempted,
  LoginFailed,
  RefreshTokenReuseDetected,
  RefusalsAggregated,
  SessionRevoked,
} from '../../index';
import { same } from './assertions';
import { collected, type ContractCase, type ContractPorts, type UnderTest } from './contract';
import { newSession } from './examples';

const DAY_SECONDS = 24 * 60 * 60;
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

/** The events that one refresh may have: of the two last, one is its ending. */
function refreshOf(subject: { userId: string; sessionId: string }) {
  const attempt = new Attempt({ ip: '2001:db8::1', userAgent: 'agent' }, new Date(START));
  return {
    attempted: new AuthTokenRefreshAttempted(attempt.beginning({ ...subject, generation: 3 })),
    succeeded: new AuthTokenRefreshSucceeded(attempt.ending({ ...subject, generation: 4 }), true, 'key', null),
    fault: new AuthTokenRefreshFailed(attempt.ending({ ...subject, generation: 3 }), 'fault'),
  };
}

const idsOf = (events: readonly AuthEvent[]) => events.map(({ context }) => context.eventId);

/** The promises of `AuthEventLog`. */
export function authEventLogContract({ make }: UnderTest): readonly ContractCase[] {
  let ports: ContractPorts;
  let subject: { userId: string; sessionId: string };
  const open = async () => (ports = await make());
  return collected(open, ({ beforeEach, describe, it }) => {
    beforeEach(() => {
      subject = { userId: uuidv7(), sessionId: uuidv7() };
    });

    const found = async (filter: EventFilter = { userId: subject.userId }) =>
      (await ports.log.find(filter, 1_000)).items.map((event) => ({ ...event }));
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
        same(await found(), [
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

      it("keeps the trace of an attempt's request among the details of each of its events", async () => {
        const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
        const attempt = new Attempt({ traceId }, new Date(START));
        await ports.log.append([
          new AuthTokenRefreshAttempted(attempt.beginning({ ...subject, generation: 3 })),
          new AuthTokenRefreshSucceeded(attempt.ending({ ...subject, generation: 4 }), true, 'key', null),
        ]);
        same(
          (await found()).map(({ details }) => details),
          [{ replayed: true, door: 'key', traceId }, { traceId }],
        );
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
        const stored = await found({ type: RefusalsAggregated.type, from: new Date(START), to: new Date(START + 1) });
        same(
          stored.filter((event) => event.id === id),
          [
            {
              ...common,
              id,
              type: RefusalsAggregated.type,
              outcome: 'failed',
              reason: null,
              details: { count: 17, distinctIps: 3 },
            },
          ],
        );
      });

      it('stores events of any month', async () => {
        const events = [-500_000, 0, 500_000].flatMap((minute) => failedRefresh(subject, minute));
        await ports.log.append(events);
        same(await foundIds(), idsOf(events).reverse());
      });

      it('joins the current unit of work: what is undone has no record', async () => {
        const session = newSession(subject);
        const unit = ports.unitOfWork.run(async () => {
          await ports.sessions.open(session);
          await ports.log.append(failedRefresh(subject));
          assert.equal((await found()).length, 3);
          throw new Error('undone');
        });
        await assert.rejects(unit, /undone/);
        same(await found(), []);
      });

      for (const [given, how] of [
        [(both: AuthEvent[]) => both, ''],
        [(both: AuthEvent[]) => both.slice(1), ', given without its attempt'],
      ] as const) {
        it(`stores a granted refresh that is read as its two events${how}`, async () => {
          const { attempted, succeeded } = refreshOf(subject);
          await ports.log.append(given([attempted, succeeded]));
          const common = {
            ...subject,
            occurredAt: new Date(START),
            attemptId: attempted.context.eventId,
            ipAddress: '2001:db8::1',
            userAgent: 'agent',
            reason: null,
          };
          same(await found(), [
            {
              ...common,
              id: succeeded.context.eventId,
              type: 'auth.token_refresh.succeeded.v1',
              outcome: 'succeeded',
              generation: 4,
              details: { replayed: true, door: 'key' },
            },
            {
              ...common,
              id: attempted.context.eventId,
              type: 'auth.token_refresh.attempted.v1',
              outcome: 'attempted',
              generation: 3,
              details: {},
            },
          ]);
        });
      }

      // Seen red with `ON CONFLICT DO NOTHING` in append.
      it('fails, with the change around it, when one of the events is stored already', async () => {
        const session = newSession({ userId: subject.userId });
        const record = failedRefresh(subject);
        await ports.log.append([record[2]!]);
        const unit = ports.unitOfWork.run(async () => {
          await ports.sessions.open(session);
          await ports.log.append(record);
        });
        await assert.rejects(unit);
        assert.equal(await ports.sessions.findById(session.id), null);
        same(await foundIds(), idsOf([record[2]!]));
      });

      // Seen red with one statement: PostgreSQL takes 65,535 parameters.
      it('stores the end of more sessions than a statement has room for', async () => {
        const attempt = new Attempt({}, new Date(START));
        const events = Array.from(
          { length: 6_000 },
          () => new SessionRevoked(attempt.finding({ ...subject, sessionId: uuidv7() }), 'user_logout_all'),
        );
        await ports.log.append(events);
        assert.equal((await ports.log.find({ userId: subject.userId }, 10_000)).items.length, 6_000);
      });

      it('is all or nothing without a unit of work, too', async () => {
        const record = failedRefresh(subject);
        await ports.log.append([record[1]!]);
        await assert.rejects(ports.log.append(record));
        same(await foundIds(), idsOf([record[1]!]));
      });
    });

    describe('appendNew', () => {
      // Seen red without `ON CONFLICT DO NOTHING`, and with an attempt that is stored whatever becomes of its ending.
      it('keeps the first ending of an attempt, whichever it was, and one attempt', async () => {
        for (const first of ['succeeded', 'fault'] as const) {
          const { attempted, ...endings } = refreshOf(subject);
          const { [first]: ending } = endings;
          const other = endings[first === 'fault' ? 'succeeded' : 'fault'];
          same(await ports.log.appendNew([attempted, ending]), [attempted, ending]);
          same(await ports.log.appendNew([attempted, other]), []);
          await assert.rejects(ports.log.append([attempted, other]));
          same(
            (await found({ attemptId: attempted.context.eventId })).map(({ outcome }) => outcome),
            [first === 'fault' ? 'failed' : 'succeeded', 'attempted'],
          );
        }
      });

      it('keeps one ending of two that come at once, and one attempt', async () => {
        for (let round = 0; round < 20; round++) {
          const { attempted, succeeded, fault } = refreshOf(subject);
          const both = [succeeded, fault].map((ending) => ports.log.appendNew([attempted, ending]));
          const stored = await Promise.all(both);
          same(stored.map(({ length }) => length).sort(), [0, 2]);
          same(await foundIds({ attemptId: attempted.context.eventId }), idsOf([fault, attempted]));
        }
      });

      it('leaves an attempt that has ended, and stores the others of the same call', async () => {
        const [ended, failed, granted] = [refreshOf(subject), refreshOf(subject), refreshOf(subject)];
        await ports.log.append([ended.attempted, ended.succeeded]);
        const others = [failed.attempted, failed.fault, granted.attempted, granted.succeeded];
        same(await ports.log.appendNew([ended.attempted, ended.fault, ...others]), others);
      });

      it('leaves what is stored, stores the rest, and answers the rest', async () => {
        const record = failedRefresh(subject);
        await ports.log.append([record[0]!]);
        const [, revoked, failed] = record;
        same(await ports.log.appendNew(record), [revoked, failed]);
        same(await foundIds(), idsOf(record).reverse());
      });

      it('stores an event once when ten calls do it at once, and one call answers it', async () => {
        const record = failedRefresh(subject);
        const stored = await Promise.all(Array.from({ length: 10 }, () => ports.log.appendNew(record)));
        same(idsOf(stored.flat()).sort(), idsOf(record));
        assert.equal((await found()).length, 3);
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
        same(await foundIds(), expected(ofUser));
      });

      it('finds by session', async () => {
        const { sessionId } = other;
        same(
          await foundIds({ sessionId }),
          expected(({ context }) => context.sessionId === sessionId),
        );
      });

      it('finds by attempt', async () => {
        const { attemptId } = records[1]![0]!.context;
        same(await foundIds({ attemptId: attemptId! }), idsOf(records[1]!).reverse());
      });

      it('finds nothing behind an attempt that never was, whatever its id looks like', async () => {
        for (const attemptId of [
          uuidv7(),
          'ffffffff-ffff-4fff-bfff-ffffffffffff',
          '00000000-0000-0000-0000-000000000000',
        ]) {
          same(await found({ attemptId }), []);
        }
      });

      it('finds by type and by outcome', async () => {
        const { userId } = subject;
        same(
          await foundIds({ userId, type: SessionRevoked.type }),
          expected((event) => ofUser(event) && event instanceof SessionRevoked),
        );
        same(
          await foundIds({ userId, outcome: 'failed' }),
          expected(
            (event) => ofUser(event) && (event instanceof LoginFailed || event instanceof AuthTokenRefreshFailed),
          ),
        );
      });

      it('finds nothing of a type that never has the outcome', async () => {
        const { attempted, succeeded } = refreshOf(subject);
        await ports.log.append([attempted, succeeded]);
        for (const [type, outcome] of [
          ['auth.token_refresh.attempted.v1', 'succeeded'],
          ['auth.token_refresh.succeeded.v1', 'attempted'],
          ['auth.token_refresh.succeeded.v1', 'failed'],
        ] as const) {
          same(await found({ userId: subject.userId, type, outcome }), []);
        }
      });

      it('finds by time: from inclusive, to exclusive', async () => {
        const [from, to] = [new Date(START + 60_000), new Date(START + 5 * 60_000)];
        const { userId } = subject;
        same(
          await foundIds({ userId, from }),
          expected((event) => ofUser(event) && timeOf(event) >= START + 60_000),
        );
        same(
          await foundIds({ userId, to }),
          expected((event) => ofUser(event) && timeOf(event) < START + 300_000),
        );
        same(
          await foundIds({ userId, from, to }),
          expected((event) => ofUser(event) && timeOf(event) === START + 60_000),
        );
        same(await found({ userId, from: to, to: from }), []);
      });

      it('finds what every given filter finds, and ignores the absent ones', async () => {
        const { userId, sessionId } = subject;
        const filter = {
          userId,
          sessionId,
          type: undefined,
          from: undefined,
          attemptId: undefined,
          outcome: undefined,
        };
        same(
          await foundIds(filter),
          expected((event) => ofUser(event) && event.context.sessionId === sessionId),
        );
        same(await found({ userId, sessionId: records[4]![0]!.context.sessionId! }), []);
      });

      it('answers the oldest first where that is asked for, page by page', async () => {
        const { userId } = subject;
        const wanted = expected(ofUser).reverse();
        const { items } = await ports.log.find({ userId }, 1_000, undefined, 'oldest first');
        same(
          items.map(({ id }) => id),
          wanted,
        );
        const pages: string[] = [];
        for (let after: EventPosition | null | undefined; after !== null;) {
          const page = await ports.log.find({ userId }, 4, after, 'oldest first');
          pages.push(...page.items.map(({ id }) => id));
          after = page.next;
        }
        same(pages, wanted);
      });

      // Seen red with `<=` for `<`, and with a position of the time alone.
      for (const limit of [1, 2, 3, 100]) {
        it(`reads on where a page of ${limit} ended, without a gap and without a repetition`, async () => {
          const pages: string[][] = [];
          for (let after: EventPosition | null | undefined; after !== null && pages.length < events.length;) {
            const page = await ports.log.find({ userId: subject.userId }, limit, after);
            assert.ok(page.items.length <= limit);
            pages.push(page.items.map(({ id }) => id));
            after = page.next;
            // What is recorded meanwhile is newer, and on none of the later pages.
            await ports.log.append(failedRefresh(subject, 10));
          }
          same(pages.flat(), expected(ofUser));
        });
      }
    });

    describe('countRare', () => {
      const HOUR = 60;
      /** Minutes from the start to years in which no other event is: counts are not by user. */
      let year = -20;
      let then: number;
      beforeEach(() => {
        then = year-- * 365 * 24 * HOUR;
      });
      const atThen = (minutes: readonly number[]) => minutes.flatMap((minute) => failedRefresh(subject, then + minute));
      const counted = async (hours: number, most = 1_000) =>
        [...(await ports.log.countRare(new Date(START + then * 60_000), hours, most))]
          .map(({ type, hour, count }) => ({ type, hour, count }))
          .sort((one, other) => (one.type < other.type ? -1 : one.type > other.type ? 1 : one.hour - other.hour));

      // Seen red with every type, with an hour that rounds, and with an inclusive end.
      it('counts by type and hour, from the first instant on and before the end, without what a granted refresh leaves', async () => {
        const granted = new Attempt({}, new Date(START + then * 60_000));
        await ports.log.append([
          ...atThen([-1, 0, HOUR - 1, HOUR, 3 * HOUR - 1, 3 * HOUR]),
          new AuthTokenRefreshAttempted(granted.beginning({ ...subject, generation: 3 })),
          new AuthTokenRefreshSucceeded(granted.ending({ ...subject, generation: 4 }), false, null, null),
        ]);
        const both = (hour: number, count: number) => ({ hour, count });
        const expected = [both(0, 2), both(1, 1), both(2, 1)];
        same(await counted(3), [
          ...expected.map((each) => ({ type: 'auth.session.revoked.v1', ...each })),
          ...expected.map((each) => ({ type: 'auth.token_refresh.failed.v1', ...each })),
        ]);
      });

      // Seen red without the bound, and with the oldest.
      it('counts the newest of a type up to the bound', async () => {
        await ports.log.append(atThen([0, 1, 2, HOUR, HOUR + 1]));
        const ofRefreshes = (await counted(2, 3)).filter(({ type }) => type === 'auth.token_refresh.failed.v1');
        same(
          ofRefreshes.map(({ hour, count }) => [hour, count]),
          [
            [0, 1],
            [1, 2],
          ],
        );
      });

      it('counts nothing where nothing is', async () => {
        same(await counted(168), []);
      });
    });

    describe('dropOlderThan', () => {
      // Seen red with a retention that drops partitions alone: no partition holds such a time.
      it('removes what is past retention, whatever its date, and nothing younger; a dry run only counts', async () => {
        const at = (time: Date) => new LoginAttempted(new Attempt({}, time).beginning(subject));
        const young = at(new Date(Date.now() - 10 * DAY_SECONDS * 1000));
        const old = [at(new Date('1999-01-01T00:00:00.000Z')), at(new Date('2001-01-01T00:00:00.000Z'))];
        await ports.log.append([...old, young]);

        const counted = await ports.log.dropOlderThan(11 * DAY_SECONDS, true);
        same((await foundIds()).length, 3);
        same(await ports.log.dropOlderThan(11 * DAY_SECONDS, false), counted);
        assert.ok(counted.rows + counted.partitions > 0);
        same(await foundIds(), idsOf([young]));
        same(await ports.log.dropOlderThan(11 * DAY_SECONDS, false), { partitions: 0, rows: 0 });
      });
    });
  });
}
