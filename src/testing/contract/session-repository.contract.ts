import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import {
  AUTH_DEFAULTS,
  type CrowdedUsers,
  type LiveToken,
  type NewProof,
  type NewSession,
  type Replay,
  type RevocationReason,
  type Session,
  stampsOf,
} from '../../index';
import { A_DATE, matches, same } from './assertions';
import { collected, type ContractCase, type ContractPorts, type UnderTest } from './contract';
import { newSession, newUser, nextToken, readAll, refreshRecord } from './examples';
import { gate } from './gate';

const KEY_HASH = Buffer.alloc(32, 7);
const BY_WINDOW: Replay = { door: 'window', maxReplays: 20, retryKeyHash: null };
const BY_KEY: Replay = { door: 'key', maxReplays: 0, retryKeyHash: KEY_HASH };
const BY_PROOF: Replay = { door: 'bound', maxReplays: 0, retryKeyHash: null };
/** What a refresh reads of a session; an adapter may have more at hand. */
const READ = [
  ...(['id', 'userId', 'generation', 'tokenHash', 'previousTokenHash', 'successorNonce', 'keyId'] as const),
  ...(['retryKeyHash', 'keyed', 'replayCount', 'rotatedAt', 'tokenVersion', 'globalVersionAtIssuance'] as const),
  ...(['delivery', 'lastUsedAt', 'expiresAt', 'absoluteExpiresAt', 'revokedAt', 'revokedReason'] as const),
  ...(['deviceId', 'deviceName', 'lastUserAgent', 'lastIpAddress', 'authTime', 'amr', 'acr', 'claims'] as const),
  'binding' as const,
];
const DAY_MS = 24 * 60 * 60 * 1000;
/** The promises of `SessionRepository`, for sessions that are retained as long as by default. */
export function sessionRepositoryContract({ make }: UnderTest): readonly ContractCase[] {
  let ports: ContractPorts;
  let session: Session;
  const open = async () => (ports = await make());
  return collected(open, ({ beforeEach, describe, it }) => {
    beforeEach(async () => {
      session = await ports.sessions.open(newSession());
    });

    const reading = async (id = session.id) => (await ports.sessions.findForRefresh(id))!;
    const stored = async (id?: string) => {
      const { session: found } = await reading(id);
      return Object.fromEntries(READ.map((name) => [name, found[name]])) as Pick<Session, (typeof READ)[number]>;
    };
    const recorded = async (id = session.id) => (await ports.log.find({ sessionId: id }, 100)).items;
    const databaseTime = async () => (await ports.policies.floorsOf(session.userId)).now.getTime();
    const rotate = (live: LiveToken = session) =>
      ports.sessions.rotate(live, nextToken(session), refreshRecord({ ...session, ...live }));
    const confirm = (replay = BY_WINDOW, live: LiveToken = session) =>
      ports.sessions.confirmReplay(live, replay, refreshRecord({ ...session, ...live }, true));

    /** What `work` has announced to the guards. */
    async function announcements(work: () => Promise<unknown>): Promise<object[]> {
      const all = async () => (await readAll(ports.feed, null)).revocations.map(({ position: _, ...one }) => one);
      const before = (await all()).map((one) => JSON.stringify(one));
      await work();
      const since = (await all()).filter((one) => !before.includes(JSON.stringify(one)));
      return since.map(({ announcedAt: _, ...revocation }) => revocation);
    }

    /** Runs `work` in a unit of work that is then undone. */
    async function undone(work: () => Promise<unknown>): Promise<void> {
      const unit = ports.unitOfWork.run(async () => {
        await work();
        throw new Error('undone');
      });
      await assert.rejects(unit, /undone/);
    }

    /** Everything that leaves no live token for `session` as it was read. */
    const notLive: [name: string, happened: () => Promise<unknown>, live?: () => LiveToken][] = [
      ['after another rotation', () => rotate()],
      ['after a log-out', () => ports.sessions.revoke(session.id, 'user_logout')],
      ['after its expiry', () => ports.alterSession(session.id, { expiresAt: session.createdAt })],
      ['for another digest', async () => undefined, () => ({ ...session, tokenHash: randomBytes(32) })],
      ['for an older generation', async () => undefined, () => ({ ...session, generation: session.generation - 1 })],
      ['for a newer generation', async () => undefined, () => ({ ...session, generation: session.generation + 1 })],
      ['for an unknown session', async () => undefined, () => ({ ...session, id: uuidv7() })],
    ];

    describe('open', () => {
      it('stores what it was given, and answers it with the database’s times', async () => {
        const given = newSession({ delivery: 'cookie', tokenVersion: 3, globalVersionAtIssuance: 7, keyId: 255 });
        const before = await databaseTime();
        const opened = await ports.sessions.open(given);
        const after = await databaseTime();

        const { idleTtlSeconds: _idle, absoluteTtlSeconds: _absolute, ...columns } = given;
        matches(opened, {
          ...columns,
          generation: 0,
          previousTokenHash: null,
          successorNonce: null,
          retryKeyHash: null,
          keyed: false,
          replayCount: 0,
          rotatedAt: null,
          revokedAt: null,
          revokedReason: null,
          lastUserAgent: null,
          lastIpAddress: null,
        });
        const openedAt = opened.createdAt.getTime();
        assert.ok(openedAt >= before);
        assert.ok(openedAt <= after);
        same(opened.lastUsedAt, opened.createdAt);
        assert.equal(opened.expiresAt.getTime(), openedAt + 600_000);
        assert.equal(opened.absoluteExpiresAt.getTime(), openedAt + 3_600_000);
        matches(opened, await stored(given.id));
      });

      it('sets no idle limit past the absolute one', async () => {
        const opened = await ports.sessions.open(newSession({ idleTtlSeconds: 600, absoluteTtlSeconds: 60 }));
        same(opened.expiresAt, opened.absoluteExpiresAt);
      });

      it('stores a session without a device and an address', async () => {
        const none = { deviceId: null, deviceName: null, ipAddress: null };
        matches(await ports.sessions.open(newSession(none)), none);
      });

      it('stores a session of which nothing is known or said', async () => {
        const none = { authTime: null, amr: null, acr: null, claims: null, binding: null };
        const opened = await ports.sessions.open(newSession(none));
        matches(opened, none);
        matches(await stored(opened.id), none);
      });

      it('joins the current unit of work', async () => {
        const given = newSession();
        await undone(async () => {
          await ports.sessions.open(given);
          matches(await ports.sessions.findById(given.id), { userId: given.userId });
        });
        assert.equal(await ports.sessions.findForRefresh(given.id), null);
      });

      it('never opens a session twice', async () => {
        await assert.rejects(ports.sessions.open(newSession({ id: session.id })));
        matches(await stored(), { userId: session.userId, tokenHash: session.tokenHash });
      });
    });

    describe('findForRefresh', () => {
      it('finds nothing behind an unknown id', async () => {
        assert.equal(await ports.sessions.findForRefresh(uuidv7()), null);
      });

      it('finds a session in any state', async () => {
        await ports.alterSession(session.id, { expiresAt: session.createdAt });
        await ports.sessions.revoke(session.id, 'admin_action');
        const found = await stored();
        matches(found, { id: session.id, userId: session.userId, revokedReason: 'admin_action' });
        same(found.expiresAt, session.createdAt);
        assert.ok(found.revokedAt instanceof Date);
      });

      it('reads both floors and the database’s clock with it', async () => {
        await ports.policies.raiseUserFloor(session.userId, 'a test', null);
        const graceEndsAt = new Date('2031-02-03T04:05:06.789Z');
        await ports.alterPolicy({ globalMinTokenVersion: 4, mode: 'drain', graceEndsAt });
        const before = await databaseTime();
        const { floors, now } = await reading();
        matches(floors, { userMinTokenVersion: 2, globalMinTokenVersion: 4, mode: 'drain', graceEndsAt });
        assert.ok(now.getTime() >= before);
        assert.ok(now.getTime() <= (await databaseTime()));
      });

      it('reads the recovery epoch with it, as the current unit of work has left it', async () => {
        const { recoveryUntil } = await ports.policies.moveRecovery(3600);
        await undone(() => ports.policies.moveRecovery(60));
        same((await reading()).recoveryUntil, recoveryUntil);
        same((await reading()).recoveryUntil, (await ports.policies.moveRecovery(0)).previousUntil);
      });

      it('makes a policy that is missing', async () => {
        await ports.alterPolicy(null);
        matches((await reading()).floors, {
          userMinTokenVersion: 1,
          globalMinTokenVersion: 1,
          mode: 'immediate',
          graceEndsAt: null,
        });
      });

      // 35 ids, more than one statement reads. Seen red with the rows in the order in which they come.
      it('gives everyone who asks at once their own, some of them the same and some of them none', async () => {
        const others = await Promise.all(Array.from({ length: 10 }, () => ports.sessions.open(newSession())));
        const ids = others
          .flatMap(({ id }) => [uuidv7(), id, session.id])
          .concat(others.slice(0, 5).map(({ id }) => id));
        const found = await Promise.all(ids.map((id) => ports.sessions.findForRefresh(id)));
        const known = new Set([session, ...others].map(({ id }) => id));
        same(
          found.map((one) => one?.session.id),
          ids.map((id) => (known.has(id) ? id : undefined)),
        );
        assert.equal(new Set(found.filter((one) => one !== null)).size, 25);
      });

      it('reads the user, or leaves that to the directory', async () => {
        const { passwordHash: _hash, ...user } = newUser({ roles: ['admin', 'user'], isActive: false });
        await ports.addUser?.({ ...user, passwordHash: 'a hash' });
        const { id } = await ports.sessions.open(newSession({ userId: user.id }));
        same((await reading(id)).user, ports.addUser ? user : undefined);
        assert.equal((await reading()).user, ports.addUser ? null : undefined);
      });
    });

    describe('what was said at the opening', () => {
      const said = ({ authTime, amr, acr, claims, binding }: Session) => ({ authTime, amr, acr, claims, binding });

      // Seen red with a rotation that moves the time.
      it('stays through rotations, replays and the end', async () => {
        const opened = said(newSession() as unknown as Session);
        same(said(session), opened);
        await rotate();
        same(said((await reading()).session as Session), opened);
        session = { ...session, ...(await stored()) };
        await confirm();
        await confirm(BY_KEY);
        await confirm(BY_PROOF);
        same(said((await reading()).session as Session), opened);
        const adopted = { generation: 9, tokenHash: randomBytes(32) };
        await ports.sessions.adopt(session, adopted, nextToken(session), refreshRecord(session));
        same(said((await reading()).session as Session), opened);
        await ports.sessions.revoke(session.id, 'admin_action');
        same(said((await ports.sessions.findById(session.id))!), opened);
      });
    });

    describe('the proof of a step-up', () => {
      const PROOF: NewProof = {
        authTime: new Date('2026-02-01T08:30:00.456Z'),
        amr: ['otp', 'a "quoted", one'],
        acr: 'aal2',
      };
      const UNKNOWN: NewProof = { authTime: new Date('2026-02-02T00:00:00.000Z'), amr: null, acr: null };
      const presented = { generation: 9, tokenHash: randomBytes(32) };
      const live = async () => (await reading()).session as Session;
      type Change = (from: Session, proof?: NewProof) => Promise<boolean>;
      /** Each change that may have one, and what is before it. */
      const changes: [name: string, prepare: () => Promise<unknown>, change: Change][] = [
        [
          'rotate',
          async () => undefined,
          (from, proof) => ports.sessions.rotate(from, nextToken(session, { proof }), refreshRecord(from)),
        ],
        [
          'adopt',
          async () => undefined,
          (from, proof) => ports.sessions.adopt(from, presented, nextToken(session, { proof }), refreshRecord(from)),
        ],
        [
          'confirmReplay by the window',
          () => rotate(),
          (from, proof) => ports.sessions.confirmReplay(from, { ...BY_WINDOW, proof }, refreshRecord(from, true)),
        ],
        [
          'confirmReplay by the key',
          () => rotate(),
          (from, proof) => ports.sessions.confirmReplay(from, { ...BY_KEY, proof }, refreshRecord(from, true)),
        ],
      ];

      for (const [name, prepare, change] of changes) {
        // Seen red with a replay that leaves it, and with each column alone.
        it(`is written whole by ${name}, and nothing else is`, async () => {
          await prepare();
          const before = await live();
          assert.equal(await change(before, PROOF), true);
          const { session: after } = await reading();
          const { claims, binding, absoluteExpiresAt } = session;
          matches(after, { ...PROOF, claims, binding, absoluteExpiresAt });
          if (name.startsWith('confirmReplay'))
            matches(after, { expiresAt: before.expiresAt, generation: before.generation, rotatedAt: before.rotatedAt });
          assert.equal(await change(await live(), UNKNOWN), true);
          matches((await reading()).session, UNKNOWN);
          assert.equal(await change(await live()), true);
          matches((await reading()).session, UNKNOWN);
        });

        it(`joins the current unit of work in ${name}, with its record`, async () => {
          await prepare();
          const from = await live();
          const [row, events] = [await stored(), await recorded()];
          await undone(async () => assert.equal(await change(from, PROOF), true));
          same([await stored(), await recorded()], [row, events]);
          await ports.unitOfWork.run(async () => assert.equal(await change(from, PROOF), true));
          matches((await reading()).session, PROOF);
          assert.equal((await recorded()).length, events.length + 2);
        });

        it(`is not written by ${name} once the token is not the live one`, async () => {
          await prepare();
          const before = await live();
          await ports.sessions.revoke(session.id, 'user_logout');
          const ended = [await stored(), await recorded()];
          assert.equal(await change(before, PROOF), false);
          same([await stored(), await recorded()], ended);
        });
      }
    });

    describe('rotate', () => {
      it('replaces the live token, and tells when and by whom', async () => {
        const [start, before] = [await databaseTime(), await stored()];
        const next = nextToken(session, { tokenVersion: 5, globalVersionAtIssuance: 6 });
        assert.equal(await ports.sessions.rotate(session, next, refreshRecord(session)), true);

        const after = await stored();
        const { userAgent, ipAddress, ...columns } = next;
        same(after, {
          ...before,
          ...columns,
          generation: 1,
          previousTokenHash: session.tokenHash,
          keyed: false,
          replayCount: 0,
          rotatedAt: after.lastUsedAt,
          lastUserAgent: userAgent,
          lastIpAddress: ipAddress,
          lastUsedAt: A_DATE,
        });
        assert.ok(after.lastUsedAt.getTime() >= start);
        assert.ok(after.lastUsedAt.getTime() <= (await databaseTime()));
      });

      it('stores its record with it', async () => {
        const record = refreshRecord(session);
        await ports.sessions.rotate(session, nextToken(session), record);
        const [attempted, succeeded] = record;
        const common = {
          occurredAt: attempted.context.occurredAt,
          attemptId: attempted.context.attemptId,
          userId: session.userId,
          sessionId: session.id,
          ipAddress: '2001:db8::1',
          userAgent: 'refresh agent',
          reason: null,
        };
        same(
          (await recorded()).map((event) => ({ ...event })),
          [
            {
              ...common,
              id: succeeded.context.eventId,
              type: 'auth.token_refresh.succeeded.v1',
              outcome: 'succeeded',
              generation: 1,
              details: { changedDevice: { deviceId: 'tablet' } },
            },
            {
              ...common,
              id: attempted.context.eventId,
              type: 'auth.token_refresh.attempted.v1',
              outcome: 'attempted',
              generation: 0,
              details: {},
            },
          ],
        );
      });

      it('moves the idle limit, but never past the absolute one', async () => {
        const beyond = new Date(session.absoluteExpiresAt.getTime() + 60_000);
        await ports.sessions.rotate(session, nextToken(session, { expiresAt: beyond }), refreshRecord(session));
        matches(await stored(), {
          expiresAt: session.absoluteExpiresAt,
          absoluteExpiresAt: session.absoluteExpiresAt,
        });
      });

      it('makes a session keyed that came with a retry key, for ever', async () => {
        const retryKeyHash = randomBytes(32);
        await ports.sessions.rotate(session, nextToken(session, { retryKeyHash }), refreshRecord(session));
        matches(await stored(), { keyed: true, retryKeyHash });
        await rotate(await stored());
        matches(await stored(), { keyed: true, retryKeyHash: null, generation: 2 });
      });

      it('counts replays anew', async () => {
        await confirm();
        await rotate();
        matches(await stored(), { generation: 1, replayCount: 0 });
      });

      // Seen red, one by one, without each part of the condition.
      for (const [when, happened, live = () => session] of notLive) {
        it(`is false ${when}, and writes nothing`, async () => {
          await happened();
          const before = [await stored(), await recorded()];
          assert.equal(await rotate(live()), false);
          same([await stored(), await recorded()], before);
        });
      }

      it('does not happen when its record cannot be stored: the attempt has ended in another way', async () => {
        const record = refreshRecord(session);
        await ports.log.append([record[1]]);
        await assert.rejects(ports.sessions.rotate(session, nextToken(session), record));
        matches(await stored(), { generation: 0, tokenHash: session.tokenHash });
        const ids = record.map(({ context }) => context.eventId);
        same(
          (await recorded()).map(({ id }) => id),
          ids.reverse(),
        );
      });

      // Seen red without `generation = $2 AND token_hash = $3`.
      it('succeeds for one of twenty at once, with one record', async () => {
        const rotated = await Promise.all(Array.from({ length: 20 }, () => rotate()));
        assert.equal(rotated.filter(Boolean).length, 1);
        assert.equal((await stored()).generation, 1);
        assert.equal((await recorded()).length, 2);
      });

      // Seen red without `AND revoked_at IS NULL`.
      it('leaves no survivor of a log-out at the same time', async () => {
        for (let round = 0; round < 30; round++) {
          session = await ports.sessions.open(newSession());
          const racing = [() => rotate(), () => ports.sessions.revoke(session.id, 'user_logout')];
          const [one, other] = await Promise.all((round % 2 ? racing : racing.reverse()).map((start) => start()));
          const [rotated, revoked] = round % 2 ? [one, other] : [other, one];
          assert.equal(revoked, true);
          const { generation, revokedReason } = await stored();
          same([generation, revokedReason], [rotated ? 1 : 0, 'user_logout']);
          assert.equal(await rotate(await stored()), false);
        }
      });

      for (const [expected, ending] of [
        [false, 'commits'],
        [true, 'is undone'],
      ] as const) {
        it(`answers ${expected} when a log-out that came first ${ending}`, async () => {
          const revoked = gate();
          const finish = gate();
          const loggingOut = ports.unitOfWork.run(async () => {
            await ports.sessions.revoke(session.id, 'user_logout');
            revoked.open();
            await finish.opened;
            if (expected) throw new Error('undone');
          });
          await Promise.race([revoked.opened, loggingOut]);
          const rotating = rotate();
          finish.open();
          await (expected ? assert.rejects(loggingOut, /undone/) : loggingOut);
          assert.equal(await rotating, expected);
        });
      }
    });

    describe('adopt', () => {
      const presented = { generation: 9, tokenHash: randomBytes(32) };
      const adopt = (live: LiveToken = session, next = nextToken(session)) =>
        ports.sessions.adopt(live, presented, next, refreshRecord({ ...session, ...live }));

      it('replaces the live token as a rotation of the presented one does', async () => {
        const [start, before] = [await databaseTime(), await stored()];
        const next = nextToken(session, { tokenVersion: 5, globalVersionAtIssuance: 6 });
        assert.equal(await adopt(session, next), true);

        const after = await stored();
        const { userAgent, ipAddress, ...columns } = next;
        same(after, {
          ...before,
          ...columns,
          generation: 10,
          previousTokenHash: presented.tokenHash,
          keyed: false,
          replayCount: 0,
          rotatedAt: after.lastUsedAt,
          lastUserAgent: userAgent,
          lastIpAddress: ipAddress,
          lastUsedAt: A_DATE,
        });
        assert.ok(after.lastUsedAt.getTime() >= start);
        assert.ok(after.lastUsedAt.getTime() <= (await databaseTime()));
        assert.equal((await recorded()).length, 2);
      });

      it('makes a session keyed that came with a retry key, and moves no limit past the absolute one', async () => {
        const retryKeyHash = randomBytes(32);
        const beyond = new Date(session.absoluteExpiresAt.getTime() + 60_000);
        await adopt(session, nextToken(session, { retryKeyHash, expiresAt: beyond }));
        matches(await stored(), { keyed: true, retryKeyHash, expiresAt: session.absoluteExpiresAt });
      });

      // Seen red without `AND revoked_at IS NULL`.
      for (const [when, happened, live = () => session] of notLive) {
        it(`is false ${when}, and writes nothing`, async () => {
          await happened();
          const before = [await stored(), await recorded()];
          assert.equal(await adopt(live()), false);
          same([await stored(), await recorded()], before);
        });
      }

      it('succeeds for one of twenty at once, rotations among them, with one record', async () => {
        const written = await Promise.all(Array.from({ length: 20 }, (_, at) => (at % 2 ? adopt() : rotate())));
        assert.equal(written.filter(Boolean).length, 1);
        assert.equal((await recorded()).length, 2);
      });
    });

    describe('confirmReplay', () => {
      beforeEach(async () => {
        await rotate();
        session = { ...session, ...(await stored()) };
      });

      it('counts the replay, and changes nothing else', async () => {
        const before = await stored();
        assert.equal(await confirm(), true);
        same(await stored(), { ...before, replayCount: 1 });
      });

      it('stores its record with it', async () => {
        const record = refreshRecord(session, true);
        await ports.sessions.confirmReplay(session, BY_WINDOW, record);
        const { items } = await ports.log.find({ attemptId: record[0].context.attemptId! }, 100);
        const [succeeded, attempted] = items;
        same(
          [attempted!.id, succeeded!.id],
          record.map(({ context }) => context.eventId),
        );
        matches(succeeded!.details, { replayed: true });
      });

      it('that came with a retry key makes its session keyed, and stores the key where the rotation had none', async () => {
        assert.equal(await confirm({ ...BY_WINDOW, retryKeyHash: KEY_HASH }), true);
        matches(await stored(), { keyed: true, retryKeyHash: KEY_HASH, replayCount: 1 });
      });

      it('keeps the key of the rotation', async () => {
        const ofRotation = Buffer.alloc(32, 9);
        await ports.alterSession(session.id, { keyed: true, retryKeyHash: ofRotation });
        assert.equal(await confirm(BY_KEY, { ...session, keyed: true }), true);
        matches(await stored(), { keyed: true, retryKeyHash: ofRotation });
      });

      it('is not counted at the key’s door, and not closed by the cap', async () => {
        await ports.alterSession(session.id, { keyed: true, replayCount: 7 });
        assert.equal(await confirm(BY_KEY, { ...session, keyed: true }), true);
        matches(await stored(), { keyed: true, replayCount: 7 });
      });

      // Seen red, one by one, without each part of the condition.
      for (const [when, happened, live = () => session] of notLive) {
        it(`is false ${when} through either door, and writes nothing`, async () => {
          await happened();
          const before = [await stored(), await recorded()];
          assert.equal(await confirm(BY_WINDOW, live()), false);
          assert.equal(await confirm(BY_KEY, live()), false);
          same([await stored(), await recorded()], before);
        });
      }

      for (const [when, changes] of [
        ['the cap is reached', { replayCount: 20 }],
        ['the session was keyed in the meantime', { keyed: true }],
      ] as const) {
        it(`is false at the window’s door when ${when}, and writes nothing`, async () => {
          await ports.alterSession(session.id, changes);
          const before = [await stored(), await recorded()];
          assert.equal(await confirm(), false);
          same([await stored(), await recorded()], before);
        });
      }

      it('does not happen when its record cannot be stored', async () => {
        const record = refreshRecord(session, true);
        await ports.log.append([record[1]]);
        await assert.rejects(ports.sessions.confirmReplay(session, BY_WINDOW, record));
        assert.equal((await stored()).replayCount, 0);
      });

      // Seen red without the cap in the condition.
      it('holds its cap for twenty at once', async () => {
        const confirmed = await Promise.all(Array.from({ length: 20 }, () => confirm({ ...BY_WINDOW, maxReplays: 5 })));
        assert.equal(confirmed.filter(Boolean).length, 5);
        assert.equal((await stored()).replayCount, 5);
        assert.equal((await recorded()).length, 2 + 10);
      });

      // Seen red without `keyed = $4`.
      it('lets one of twenty in that would make the session keyed', async () => {
        const confirmed = await Promise.all(
          Array.from({ length: 20 }, () => confirm({ ...BY_WINDOW, retryKeyHash: KEY_HASH })),
        );
        assert.equal(confirmed.filter(Boolean).length, 1);
      });
    });

    describe('revoke', () => {
      it('ends a session once: the first reason stays', async () => {
        assert.equal(await ports.sessions.revoke(session.id, 'reuse_detected'), true);
        const { revokedAt } = await stored();
        assert.equal(await ports.sessions.revoke(session.id, 'user_logout'), false);
        matches(await stored(), { revokedAt, revokedReason: 'reuse_detected' });
      });

      it('ends an expired session, too', async () => {
        await ports.alterSession(session.id, { expiresAt: session.createdAt });
        assert.equal(await ports.sessions.revoke(session.id, 'user_logout'), true);
      });

      it('is false for an unknown session', async () => {
        assert.equal(await ports.sessions.revoke(uuidv7(), 'user_logout'), false);
      });

      it('changes nothing else', async () => {
        const before = await stored();
        await ports.sessions.revoke(session.id, 'admin_action');
        const after = await stored();
        same(after, {
          ...before,
          revokedAt: after.revokedAt,
          revokedReason: 'admin_action',
        });
      });

      it('joins the current unit of work', async () => {
        const revoke = () => undone(() => ports.sessions.revoke(session.id, 'user_logout'));
        same(await announcements(revoke), []);
        matches(await stored(), { revokedAt: null, revokedReason: null });
      });

      // Seen red without the announcement.
      it('is announced to the guards, once', async () => {
        const revoke = () => ports.sessions.revoke(session.id, 'user_logout');
        same(await announcements(revoke), [{ kind: 'session', sessionId: session.id }]);
        same(await announcements(revoke), []);
        same(await announcements(() => ports.sessions.revoke(uuidv7(), 'user_logout')), []);
      });

      it('is not announced where the guards refuse the session already, being below a floor', async () => {
        const revoke = () => ports.sessions.revoke(session.id, 'token_version_rejected');
        same(await announcements(revoke), []);
        assert.equal((await stored()).revokedReason, 'token_version_rejected');
      });

      // A refresh that a failover has lost may have given an access token that is above the floor.
      it('is announced all the same in a recovery epoch', async () => {
        await ports.policies.moveRecovery(60);
        const revoke = () => ports.sessions.revoke(session.id, 'token_version_rejected');
        same(await announcements(revoke), [{ kind: 'session', sessionId: session.id }]);
        await ports.policies.moveRecovery(0);
      });

      // Seen red without the condition.
      it('leaves a session alone that was rotated since it was read', async () => {
        const { tokenHash } = session;
        await rotate();
        for (const asRead of [session, { generation: 1, tokenHash }, { ...(await stored()), generation: 0 }]) {
          assert.equal(await ports.sessions.revoke(session.id, 'token_version_rejected', asRead), false);
        }
        assert.equal((await stored()).revokedAt, null);
        assert.equal(await ports.sessions.revoke(session.id, 'token_version_rejected', await stored()), true);
      });

      it('is answered with true to one of ten at once', async () => {
        const ended = await Promise.all(
          Array.from({ length: 10 }, () => ports.sessions.revoke(session.id, 'user_logout')),
        );
        assert.equal(ended.filter(Boolean).length, 1);
      });
    });

    /* Live is neither revoked nor expired, and honoured for its versions: the same for every list, count and ending. */
    describe('a session that is not live', () => {
      let userId: string;
      let live: Session;
      /** Stamped with the floors of the moment. */
      const openOne = async (changes: Partial<NewSession> = {}) => {
        const { floors } = await ports.policies.floorsOf(userId);
        return ports.sessions.open(newSession({ userId, ...stampsOf(floors), ...changes }));
      };
      const expire = async ({ id, createdAt }: Session) => ports.alterSession(id, { expiresAt: createdAt });
      const GRACE = { globalMinTokenVersion: 7, graceEndsAt: new Date('2099-01-01T00:00:00.000Z') };
      const dead: [why: string, makeIt: () => Promise<unknown>][] = [
        ['was revoked', async () => ports.sessions.revoke((await openOne()).id, 'user_logout')],
        ['expired', async () => expire(await openOne())],
        [
          'ended with all of its user’s, and is not marked',
          async () => {
            await openOne();
            await ports.policies.raiseUserFloor(userId, 'admin_action', 'admin_action');
          },
        ],
        [
          'is below its user’s floor',
          async () => {
            await openOne();
            await ports.policies.raiseUserFloor(userId, 'role_removed', null);
          },
        ],
        [
          'is below the global floor',
          async () => {
            await openOne({ globalVersionAtIssuance: 6 });
            await ports.alterPolicy({ ...GRACE, mode: 'immediate' });
          },
        ],
        [
          'is below the global floor by two, in a grace period',
          async () => {
            await openOne({ globalVersionAtIssuance: 5 });
            await ports.alterPolicy({ ...GRACE, mode: 'migrate' });
          },
        ],
        [
          'is below the global floor, past a grace period',
          async () => {
            await openOne({ globalVersionAtIssuance: 6 });
            await ports.alterPolicy({ ...GRACE, mode: 'drain', graceEndsAt: new Date(0) });
          },
        ],
      ];

      beforeEach(async () => {
        userId = uuidv7();
        await ports.alterPolicy(null);
      });

      // Seen red without each part of the condition.
      for (const [why, makeIt] of dead) {
        it(`because it ${why} is in no list and no count, and no ending ends it`, async () => {
          await makeIt();
          live = await openOne();
          same(
            (await ports.sessions.findLiveOfUser(userId, 10)).items.map(({ id }) => id),
            [live.id],
          );
          assert.equal(await ports.sessions.countLiveOfUser(userId), 1);
          same(await ports.sessions.revokeSome({ userId, except: live.id }, 'session_revoked', 1000), []);
          same(await ports.sessions.revokeSome({ userId, keepLastUsed: 0 }, 'session_revoked', 1000), [live.id]);
          assert.equal(await ports.sessions.countLiveOfUser(userId), 0);
        });
      }

      it('is not one that a grace period honours', async () => {
        live = await openOne({ globalVersionAtIssuance: 6 });
        for (const mode of ['migrate', 'drain'] as const) {
          await ports.alterPolicy({ ...GRACE, mode });
          assert.equal(await ports.sessions.countLiveOfUser(userId), 1);
        }
        same(await ports.sessions.revokeSome({ userId, keepLastUsed: 0 }, 'session_revoked', 1000), [live.id]);
      });

      it('is not one where the policy is lost', async () => {
        await openOne();
        await ports.alterPolicy(null);
        assert.equal(await ports.sessions.countLiveOfUser(userId), 1);
      });

      it('is another user’s business', async () => {
        await openOne();
        await ports.policies.raiseUserFloor(uuidv7(), 'admin_action', 'admin_action');
        same([await ports.sessions.countLiveOfUser(userId), await ports.sessions.countLiveOfUser(uuidv7())], [1, 0]);
      });
    });

    describe('a raise of the floor that ends sessions', () => {
      let userId: string;
      const endAll = (reason: RevocationReason = 'user_logout_all') =>
        ports.policies.raiseUserFloor(userId, reason, reason);
      beforeEach(() => {
        ({ userId } = session);
      });

      it('is read with the session, row by row as it was', async () => {
        const before = await stored();
        matches((await reading()).floors, { userMinTokenVersion: 1, endedBelow: 0, endedReason: null });
        await endAll('password_changed');
        matches((await reading()).floors, { userMinTokenVersion: 2, endedBelow: 2, endedReason: 'password_changed' });
        same(await stored(), before);
      });

      it('leaves nothing for `revoke` to end, nor to announce', async () => {
        await endAll();
        const announced = await announcements(async () => {
          assert.equal(await ports.sessions.revoke(session.id, 'user_logout'), false);
        });
        same(announced, []);
        assert.equal((await stored()).revokedAt, null);
      });

      it('is the only kind of raise that does: one for the versions leaves a session to be ended', async () => {
        await ports.policies.raiseUserFloor(userId, 'role_removed', null);
        assert.equal(await ports.sessions.revoke(session.id, 'token_version_rejected'), true);
      });

      it('is undone with its unit of work', async () => {
        await undone(() => endAll());
        assert.equal(await ports.sessions.countLiveOfUser(userId), 1);
        assert.equal(await ports.sessions.revoke(session.id, 'user_logout'), true);
      });

      it('is marked in the rows, with its reason and its time, once, and announces nothing', async () => {
        const expired = await ports.sessions.open(newSession({ userId }));
        await ports.alterSession(expired.id, { expiresAt: expired.createdAt });
        const revoked = await ports.sessions.open(newSession({ userId }));
        await ports.sessions.revoke(revoked.id, 'user_logout');
        const before = await databaseTime();
        await endAll();
        const after = await databaseTime();
        const later = await ports.sessions.open(newSession({ userId, tokenVersion: 2 }));
        const stranger = await ports.sessions.open(newSession());

        same(await announcements(async () => assert.equal(await ports.sessions.markEnded(userId), 2)), []);
        const reasons = [session, expired, revoked, later, stranger].map(
          async ({ id }) => (await stored(id)).revokedReason,
        );
        same(await Promise.all(reasons), ['user_logout_all', 'user_logout_all', 'user_logout', null, null]);
        const endedAt = (await stored()).revokedAt!.getTime();
        assert.ok(before <= endedAt && endedAt <= after);
        assert.equal(await ports.sessions.markEnded(userId), 0);
      });

      it('is marked for the users of all, where nobody is named', async () => {
        await ports.sessions.markEnded(null);
        const other = await ports.sessions.open(newSession());
        await endAll('password_changed');
        await ports.policies.raiseUserFloor(other.userId, 'user_deactivated', 'user_deactivated');
        await ports.policies.raiseUserFloor((await ports.sessions.open(newSession())).userId, 'role_removed', null);
        assert.equal(await ports.sessions.markEnded(null), 2);
        same(
          [(await stored()).revokedReason, (await stored(other.id)).revokedReason],
          ['password_changed', 'user_deactivated'],
        );
        assert.equal(await ports.sessions.markEnded(null), 0);
      });

      it('is marked with the reason of the newer one, where there are two', async () => {
        await endAll('user_logout_all');
        const between = await ports.sessions.open(newSession({ userId, tokenVersion: 2 }));
        await endAll('admin_action');
        await ports.policies.raiseUserFloor(userId, 'role_removed', null);
        assert.equal(await ports.sessions.markEnded(userId), 2);
        same(
          [(await stored()).revokedReason, (await stored(between.id)).revokedReason],
          ['admin_action', 'admin_action'],
        );
      });

      it('ends a session that is opened with an older stamp before it begins', async () => {
        await endAll();
        const late = await ports.sessions.open(newSession({ userId }));
        assert.equal(await ports.sessions.countLiveOfUser(userId), 0);
        await ports.sessions.markEnded(userId);
        const { revokedAt, revokedReason } = await stored(late.id);
        assert.equal(revokedReason, 'user_logout_all');
        assert.ok(revokedAt!.getTime() >= late.createdAt.getTime());
      });

      it('is not marked any further once `stop` is aborted', async () => {
        await endAll();
        assert.equal(await ports.sessions.markEnded(userId, AbortSignal.abort()), 0);
        assert.equal(await ports.sessions.markEnded(null, AbortSignal.abort()), 0);
        assert.equal((await stored()).revokedAt, null);
      });
    });

    describe('findLiveOfUser', () => {
      it('answers the sessions that are neither revoked nor expired, newest use first', async () => {
        const userId = uuidv7();
        const [first, second, expired, revoked] = [0, 0, 0, 0].map(() => newSession({ userId }));
        for (const given of [first!, second!, expired!, revoked!]) await ports.sessions.open(given);
        await ports.alterSession(expired!.id, { expiresAt: session.createdAt });
        await ports.sessions.revoke(revoked!.id, 'user_logout');
        const used = async (id: string, minutesAgo: number) =>
          ports.alterSession(id, { lastUsedAt: new Date((await databaseTime()) - minutesAgo * 60_000) });
        const found = async () => (await ports.sessions.findLiveOfUser(userId, 10)).items.map(({ id }) => id);

        await used(first!.id, 2);
        await used(second!.id, 1);
        same(await found(), [second!.id, first!.id]);
        await used(first!.id, 0);
        same(await found(), [first!.id, second!.id]);
        same(
          { ...(await ports.sessions.findLiveOfUser(userId, 10)).items[0] },
          {
            ...(await ports.sessions.findById(first!.id)),
          },
        );
      });

      it('answers none for an unknown user', async () => {
        same(await ports.sessions.findLiveOfUser(uuidv7(), 10), { items: [], next: null });
      });

      // Seen red with a position in milliseconds, and without the id in it.
      it('pages them without skipping or repeating one, also of the same moment', async () => {
        const userId = uuidv7();
        const open = async () => (await ports.sessions.open(newSession({ userId }))).id;
        const apart = [await open(), await open(), await open()];
        const together = await ports.unitOfWork.run(async () => [await open(), await open(), await open()]);
        const expected = [...together.toSorted().reverse(), ...apart.toReversed()];
        for (const limit of [1, 2, 3, 6, 7]) {
          const pages: string[][] = [];
          let { items, next } = await ports.sessions.findLiveOfUser(userId, limit);
          pages.push(items.map(({ id }) => id));
          while (next !== null) {
            ({ items, next } = await ports.sessions.findLiveOfUser(userId, limit, next));
            pages.push(items.map(({ id }) => id));
          }
          same(pages.flat(), expected);
          same(
            pages.map(({ length }) => length),
            Array.from({ length: Math.ceil(6 / limit) }, (_, nth) => Math.min(limit, 6 - nth * limit)),
          );
        }
      });

      it('has a session that is used between two pages on none of the later ones', async () => {
        const userId = uuidv7();
        const used = async (minutesAgo: number): Promise<Session> => {
          const opened = await ports.sessions.open(newSession({ userId }));
          const lastUsedAt = new Date((await databaseTime()) - minutesAgo * 60_000);
          await ports.alterSession(opened.id, { lastUsedAt });
          return opened;
        };
        const [first, second, third] = [await used(3), await used(2), await used(1)];
        const page = await ports.sessions.findLiveOfUser(userId, 1);
        same(
          page.items.map(({ id }) => id),
          [third.id],
        );
        assert.equal(await ports.sessions.rotate(first, nextToken(first), refreshRecord(first)), true);
        const rest = await ports.sessions.findLiveOfUser(userId, 10, page.next ?? undefined);
        same(
          rest.items.map(({ id }) => id),
          [second.id],
        );
        assert.equal(rest.next, null);
      });
    });

    describe('rename', () => {
      const nameOf = async () => (await ports.sessions.findById(session.id))?.deviceName;

      it('names the device of a live session, and takes the name away', async () => {
        assert.equal(await ports.sessions.rename(session.id, 'The old laptop'), true);
        assert.equal(await nameOf(), 'The old laptop');
        assert.equal(await ports.sessions.rename(session.id, null), true);
        assert.equal(await nameOf(), null);
      });

      // Seen red without the condition.
      it('changes nothing of a session that is over', async () => {
        const endings = [
          () => ports.sessions.revoke(session.id, 'user_logout'),
          () => ports.alterSession(session.id, { expiresAt: session.createdAt }),
          () => ports.policies.raiseUserFloor(session.userId, 'a test', null),
        ];
        for (const end of endings) {
          session = await ports.sessions.open(newSession({ deviceName: 'As it was' }));
          await end();
          assert.equal(await ports.sessions.rename(session.id, 'Late'), false);
          assert.equal(await nameOf(), 'As it was');
        }
        assert.equal(await ports.sessions.rename(uuidv7(), 'Nobody’s'), false);
      });

      it('joins the current unit of work', async () => {
        const before = await nameOf();
        await undone(() => ports.sessions.rename(session.id, 'Undone'));
        assert.equal(await nameOf(), before);
      });
    });

    describe('bind', () => {
      const KEY = { kind: 'dbsc', id: uuidv7(), jwk: { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' } } as const;
      beforeEach(async () => {
        session = await ports.sessions.open(newSession({ binding: null }));
      });
      const bindingOf = async (id = session.id) => (await ports.sessions.findById(id))?.binding;

      it('binds a live session to a key, once', async () => {
        assert.equal(await ports.sessions.bind(session, KEY), true);
        assert.deepEqual(await bindingOf(), KEY);
        assert.equal(await ports.sessions.bind(session, { kind: 'dpop', jkt: 'other' }), false);
        assert.deepEqual(await bindingOf(), KEY);
      });

      // Seen red without each of the conditions.
      it('binds no session that was rotated since it was read, that is over, or that is unknown', async () => {
        assert.equal(await ports.sessions.bind({ ...session, generation: 1 }, KEY), false);
        const endings = [
          () => ports.sessions.revoke(session.id, 'user_logout'),
          () => ports.alterSession(session.id, { expiresAt: session.createdAt }),
          () => ports.policies.raiseUserFloor(session.userId, 'a test', null),
        ];
        for (const end of endings) {
          session = await ports.sessions.open(newSession({ binding: null }));
          await end();
          assert.equal(await ports.sessions.bind(session, KEY), false);
          assert.equal(await bindingOf(), null);
        }
        assert.equal(await ports.sessions.bind({ id: uuidv7(), generation: 0 }, KEY), false);
      });

      it('joins the current unit of work', async () => {
        await undone(() => ports.sessions.bind(session, KEY));
        assert.equal(await bindingOf(), null);
      });

      it('binds to one of two keys at once', async () => {
        const other = { ...KEY, jwk: { ...KEY.jwk, x: 'other' } };
        const bound = await Promise.all([KEY, other].map((key) => ports.sessions.bind(session, key)));
        assert.equal(bound.filter(Boolean).length, 1);
        assert.deepEqual(await bindingOf(), bound[0] ? KEY : other);
      });
    });

    describe('revokeSome', () => {
      let userId: string;
      let live: string[];

      /** Three sessions, used last in this order: the second, the first, the third. */
      beforeEach(async () => {
        userId = uuidv7();
        live = [];
        for (const minutesAgo of [2, 1, 3]) {
          const { id } = await ports.sessions.open(newSession({ userId }));
          await ports.alterSession(id, { lastUsedAt: new Date((await databaseTime()) - minutesAgo * 60_000) });
          live.push(id);
        }
      });

      const reasons = (ids = live) => Promise.all(ids.map(async (id) => (await stored(id)).revokedReason));
      const evict = (keepLastUsed: number) =>
        ports.sessions.revokeSome({ userId, keepLastUsed }, 'session_limit_exceeded', 1000);

      it('ends all but one, tells which, and announces each', async () => {
        const [first, second, third] = live;
        let ended: string[] = [];
        const announced = await announcements(async () => {
          ended = await ports.sessions.revokeSome({ userId, except: second! }, 'session_revoked', 1000);
        });
        same(ended.toSorted(), [first, third]);
        same(
          announced,
          ended.map((sessionId) => ({ kind: 'session', sessionId })),
        );
        same(await reasons(), ['session_revoked', null, 'session_revoked']);
        assert.equal((await stored()).revokedAt, null);
        same(await ports.sessions.revokeSome({ userId, except: second! }, 'session_revoked', 1000), []);
      });

      it('ends all, where the one to keep is somebody else’s', async () => {
        assert.equal(
          (await ports.sessions.revokeSome({ userId, except: session.id }, 'session_revoked', 1000)).length,
          3,
        );
      });

      // Seen red with the first use for the last.
      for (const [keep, expected] of [
        [3, [null, null, null]],
        [2, [null, null, 'session_limit_exceeded']],
        [1, ['session_limit_exceeded', null, 'session_limit_exceeded']],
        [0, ['session_limit_exceeded', 'session_limit_exceeded', 'session_limit_exceeded']],
      ] as const) {
        it(`ends all but the ${keep} that were used last`, async () => {
          const ended = await evict(keep);
          same(await reasons(), expected);
          same(ended.toSorted(), live.filter((_, at) => expected[at] !== null).toSorted());
        });
      }

      it('ends the older one of two that were used in the same moment', async () => {
        const lastUsedAt = new Date(await databaseTime());
        for (const id of live) await ports.alterSession(id, { lastUsedAt });
        same((await evict(1)).toSorted(), live.slice(0, 2));
      });

      // Seen red with the most recently used of those above, and without the limit.
      it('ends no more than it may: the first by id, or the least recently used', async () => {
        same(await ports.sessions.revokeSome({ userId, keepLastUsed: 1 }, 'session_limit_exceeded', 1), [live[2]]);
        same(await ports.sessions.revokeSome({ userId, keepLastUsed: 1 }, 'session_limit_exceeded', 1), [live[0]]);
        same(await ports.sessions.revokeSome({ userId, keepLastUsed: 1 }, 'session_limit_exceeded', 1), []);
        const more = [];
        for (let i = 0; i < 3; i++) more.push((await ports.sessions.open(newSession({ userId }))).id);
        const except = more[0]!;
        same(await ports.sessions.revokeSome({ userId, except }, 'session_revoked', 2), [live[1], more[1]]);
        same(await ports.sessions.revokeSome({ userId, except }, 'session_revoked', 2), [more[2]]);
      });

      // Seen red with a count of all rows, and with `>=`.
      it('is asked of the users who have more live sessions than a limit', async () => {
        const crowded = async (max: number) => {
          const found: string[] = [];
          for (let after: string | null = null, first = true; first || after !== null; first = false) {
            const page: CrowdedUsers = await ports.sessions.findCrowdedUsers(max, after);
            found.push(...page.userIds);
            after = page.next;
          }
          return found.includes(userId);
        };
        assert.equal(await crowded(2), true);
        assert.equal(await crowded(3), false);
        await ports.sessions.revoke(live[0]!, 'user_logout');
        assert.equal(await crowded(2), false);
        await ports.policies.raiseUserFloor(userId, 'user_logout_all', 'user_logout_all');
        assert.equal(await crowded(0), false);
      });

      it('counts only the ones that live', async () => {
        await ports.sessions.revoke(live[1]!, 'user_logout');
        await ports.alterSession(live[0]!, { expiresAt: session.createdAt });
        same(await evict(1), []);
      });

      it('joins the current unit of work', async () => {
        same(await announcements(() => undone(() => evict(0))), []);
        same(await reasons(), [null, null, null]);
      });

      it('ends each once when ten do it at once', async () => {
        const ended = await Promise.all(Array.from({ length: 10 }, () => evict(0)));
        same(ended.flat().toSorted(), live.toSorted());
      });
    });

    describe('a session that ended longer ago than is retained', () => {
      /** By `seconds` more than is retained. */
      const gone = (seconds = 5, changes: Partial<NewSession> = {}) => {
        const ttl = -AUTH_DEFAULTS.sessionRetentionSeconds - seconds;
        return ports.sessions.open(newSession({ idleTtlSeconds: ttl, absoluteTtlSeconds: ttl, ...changes }));
      };
      const deleteAll = async () => {
        let deleted = 0;
        for (let batch: number | null = 1; batch; deleted += batch ?? 0) batch = await ports.sessions.deleteEnded(1000);
        return deleted;
      };
      beforeEach(deleteAll);

      // Seen red with a read that finds whatever has a row.
      it('is as good as deleted for every reader', async () => {
        const userId = uuidv7();
        const { id } = await gone(5, { userId });
        await ports.alterSession(id, { revokedAt: new Date(await databaseTime()), revokedReason: 'reuse_detected' });
        const open = await gone(5);
        const answers = async () => [
          await ports.sessions.findForRefresh(id),
          await ports.sessions.findById(id),
          await ports.sessions.countReuses(userId),
          (await ports.sessions.findLiveOfUser(userId, 10)).items,
          await ports.sessions.revoke(open.id, 'user_logout'),
        ];
        const before = await answers();
        same(before, [null, null, 0, [], false]);
        assert.equal(await deleteAll(), 2);
        same(await answers(), before);
      });

      it('is counted, and deleted a few at a time until none is left', async () => {
        for (let i = 0; i < 5; i++) await gone(5 + i);
        assert.equal(await ports.sessions.countEnded(), 5);
        assert.equal(await ports.sessions.deleteEnded(2), 2);
        assert.equal(await ports.sessions.countEnded(), 3);
        assert.equal(await ports.sessions.deleteEnded(100), 3);
        assert.equal(await ports.sessions.deleteEnded(100), 0);
        assert.equal(await ports.sessions.countEnded(), 0);
      });

      // Seen red with the idle limit for the absolute one, and without the retention.
      it('is the only one that is deleted: live, expired and revoked ones stay', async () => {
        const expired = await gone(-60);
        const idle = await ports.sessions.open(newSession());
        await ports.alterSession(idle.id, { expiresAt: new Date(idle.createdAt.getTime() - 40 * DAY_MS) });
        const revoked = await ports.sessions.open(newSession());
        await ports.sessions.revoke(revoked.id, 'reuse_detected');
        const { id } = await gone();
        assert.equal(await deleteAll(), 1);
        for (const kept of [session, expired, idle, revoked]) {
          matches(await ports.sessions.findById(kept.id), { id: kept.id });
        }
        assert.equal(await ports.sessions.findById(id), null);
      });

      it('is deleted once when ten clean up at once', async () => {
        for (let i = 0; i < 20; i++) await gone();
        const deleted = await Promise.all(Array.from({ length: 10 }, deleteAll));
        assert.equal(
          deleted.reduce((sum, one) => sum + one),
          20,
        );
        assert.equal(await ports.sessions.countEnded(), 0);
      });
    });

    describe('revokeBelowGlobal', () => {
      it('ends the live sessions of everyone, counts them, and announces nothing', async () => {
        await ports.sessions.revokeBelowGlobal(100, 'admin_action');
        const live = [await ports.sessions.open(newSession()), await ports.sessions.open(newSession())];
        const expired = await ports.sessions.open(newSession());
        await ports.alterSession(expired.id, { expiresAt: expired.createdAt });
        const revoked = await ports.sessions.open(newSession());
        await ports.sessions.revoke(revoked.id, 'user_logout');

        const announced = await announcements(async () => {
          assert.equal(await ports.sessions.revokeBelowGlobal(100, 'admin_action'), 2);
        });

        same(announced, []);
        const reasons = await Promise.all(
          [...live, expired, revoked].map(async ({ id }) => (await stored(id)).revokedReason),
        );
        same(reasons, ['admin_action', 'admin_action', null, 'user_logout']);
        assert.equal(await ports.sessions.revokeBelowGlobal(100, 'admin_action'), 0);
      });

      it('spares the sessions of the version, and of those above', async () => {
        const stamps = [1, 2, 3];
        const opened = await Promise.all(
          stamps.map((globalVersionAtIssuance) => ports.sessions.open(newSession({ globalVersionAtIssuance }))),
        );
        await ports.sessions.revokeBelowGlobal(2, 'admin_action');
        const reasons = await Promise.all(opened.map(async ({ id }) => (await stored(id)).revokedReason));
        same(reasons, ['admin_action', null, null]);
      });
    });

    describe('countBelowGlobal', () => {
      it('counts the sessions that could be refreshed and were issued below the version', async () => {
        await ports.sessions.revokeBelowGlobal(100, 'admin_action');
        for (const globalVersionAtIssuance of [1, 2, 2, 3]) {
          await ports.sessions.open(newSession({ globalVersionAtIssuance }));
        }
        const expired = await ports.sessions.open(newSession());
        await ports.alterSession(expired.id, { expiresAt: expired.createdAt });
        const counts = [1, 2, 3, 4].map((version) => ports.sessions.countBelowGlobal(version));
        same(await Promise.all(counts), [0, 1, 3, 4]);
      });

      it('counts the same before and after the floor has risen, and none below its user’s floor', async () => {
        await ports.sessions.revokeBelowGlobal(100, 'admin_action');
        const [one] = [await ports.sessions.open(newSession()), await ports.sessions.open(newSession())];
        assert.equal(await ports.sessions.countBelowGlobal(2), 2);
        await ports.alterPolicy({ globalMinTokenVersion: 2, mode: 'immediate', graceEndsAt: null });
        assert.equal(await ports.sessions.countBelowGlobal(2), 2);
        await ports.policies.raiseUserFloor(one.userId, 'admin_action', 'admin_action');
        assert.equal(await ports.sessions.countBelowGlobal(2), 1);
        await ports.alterPolicy(null);
      });
    });

    describe('findById', () => {
      it('answers a session in any state as it was opened, and null for an unknown one', async () => {
        same({ ...(await ports.sessions.findById(session.id)) }, { ...session });
        await ports.alterSession(session.id, { expiresAt: session.createdAt });
        await ports.sessions.revoke(session.id, 'user_logout');
        matches(await ports.sessions.findById(session.id), {
          expiresAt: session.createdAt,
          revokedAt: A_DATE,
          revokedReason: 'user_logout',
        });
        assert.equal(await ports.sessions.findById(uuidv7()), null);
      });
    });

    describe('countReuses', () => {
      const ended = async (reason: RevocationReason, userId = session.userId) => {
        const { id } = await ports.sessions.open(newSession({ userId }));
        await ports.sessions.revoke(id, reason);
        return id;
      };

      it('counts the user’s sessions that ended by reuse', async () => {
        assert.equal(await ports.sessions.countReuses(session.userId), 0);
        await ended('reuse_detected');
        await ended('user_logout');
        await ended('reuse_detected', uuidv7());
        assert.equal(await ports.sessions.countReuses(session.userId), 1);
      });

      it('counts those that ended with all of the user’s, marked or not', async () => {
        await ended('reuse_detected');
        await ports.sessions.open(newSession({ userId: session.userId }));
        await ports.policies.raiseUserFloor(session.userId, 'reuse_detected', 'reuse_detected');
        assert.equal(await ports.sessions.countReuses(session.userId), 3);
        await ports.sessions.markEnded(session.userId);
        assert.equal(await ports.sessions.countReuses(session.userId), 3);
      });

      it('counts none that ended with all of the user’s for another reason', async () => {
        await ports.policies.raiseUserFloor(session.userId, 'user_logout_all', 'user_logout_all');
        assert.equal(await ports.sessions.countReuses(session.userId), 0);
        await ports.sessions.markEnded(session.userId);
        assert.equal(await ports.sessions.countReuses(session.userId), 0);
      });

      it('forgets them after 24 hours', async () => {
        const ids = [await ended('reuse_detected'), await ended('reuse_detected')];
        const now = await databaseTime();
        await ports.alterSession(ids[0]!, { revokedAt: new Date(now - DAY_MS - 1_000) });
        await ports.alterSession(ids[1]!, { revokedAt: new Date(now - DAY_MS + 60_000) });
        assert.equal(await ports.sessions.countReuses(session.userId), 1);
      });

      it('includes those of the current unit of work', async () => {
        await undone(async () => {
          await ended('reuse_detected');
          assert.equal(await ports.sessions.countReuses(session.userId), 1);
        });
        assert.equal(await ports.sessions.countReuses(session.userId), 0);
      });
    });

    describe('lockUser', () => {
      // Seen red without the lock.
      it('lets one unit of work after the other at a user: all see what the earlier ones did', async () => {
        const counts = await Promise.all(
          Array.from({ length: 5 }, () =>
            ports.unitOfWork.run(async () => {
              await ports.sessions.lockUser(session.userId);
              const { id } = await ports.sessions.open(newSession({ userId: session.userId }));
              await ports.sessions.revoke(id, 'reuse_detected');
              return ports.sessions.countReuses(session.userId);
            }),
          ),
        );
        same(counts.sort(), [1, 2, 3, 4, 5]);
      });

      it('is let go when the unit of work is undone', async () => {
        await undone(() => ports.sessions.lockUser(session.userId));
        await ports.unitOfWork.run(() => ports.sessions.lockUser(session.userId));
      });
    });
  });
}
