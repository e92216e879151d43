import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { LiveToken, NewSession, Replay, RevocationReason, Session } from '../../src';
import { gate } from '../support/gate';
import { adapters, newSession, newUser, nextToken, type Ports, refreshRecord } from './adapters';

const KEY_HASH = Buffer.alloc(32, 7);
const BY_WINDOW: Replay = { door: 'window', maxReplays: 20, retryKeyHash: null };
const BY_KEY: Replay = { door: 'key', maxReplays: 0, retryKeyHash: KEY_HASH };
/** What a refresh reads of a session; an adapter may have more at hand. */
const READ = [
  ...(['id', 'userId', 'generation', 'tokenHash', 'previousTokenHash', 'successorNonce', 'keyId'] as const),
  ...(['retryKeyHash', 'keyed', 'replayCount', 'rotatedAt', 'tokenVersion', 'globalVersionAtIssuance'] as const),
  ...(['delivery', 'lastUsedAt', 'expiresAt', 'absoluteExpiresAt', 'revokedAt', 'revokedReason'] as const),
  ...(['deviceId', 'deviceName', 'lastUserAgent', 'lastIpAddress'] as const),
];
const DAY_MS = 24 * 60 * 60 * 1000;
const RETENTION_SECONDS = (30 * DAY_MS) / 1000;

describe.each(adapters)('the sessions %s', (_name, make) => {
  let ports: Ports;
  let session: Session;

  beforeAll(async () => {
    ports = await make();
  });
  afterAll(() => ports.close());
  beforeEach(async () => {
    session = await ports.sessions.open(newSession());
  });

  const reading = async (id = session.id) => (await ports.sessions.findForRefresh(id))!;
  const stored = async (id?: string) => {
    const { session: found } = await reading(id);
    return Object.fromEntries(READ.map((name) => [name, found[name]])) as Pick<Session, (typeof READ)[number]>;
  };
  const recorded = (id = session.id) => ports.log.find({ sessionId: id }, 100);
  const databaseTime = async () => (await ports.policies.floorsOf(session.userId)).now.getTime();
  const rotate = (live: LiveToken = session) =>
    ports.sessions.rotate(live, nextToken(session), refreshRecord({ ...session, ...live }));
  const confirm = (replay = BY_WINDOW, live: LiveToken = session) =>
    ports.sessions.confirmReplay(live, replay, refreshRecord({ ...session, ...live }, true));

  /** What `work` has announced to the guards. */
  async function announcements(work: () => Promise<unknown>): Promise<object[]> {
    const all = async () => (await ports.feed.read(null)).revocations;
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
    await expect(unit).rejects.toThrow('undone');
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
      expect(opened).toMatchObject({
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
      expect(openedAt).toBeGreaterThanOrEqual(before);
      expect(openedAt).toBeLessThanOrEqual(after);
      expect(opened.lastUsedAt).toEqual(opened.createdAt);
      expect(opened.expiresAt.getTime()).toBe(openedAt + 600_000);
      expect(opened.absoluteExpiresAt.getTime()).toBe(openedAt + 3_600_000);
      expect(opened).toMatchObject(await stored(given.id));
    });

    it('sets no idle limit past the absolute one', async () => {
      const opened = await ports.sessions.open(newSession({ idleTtlSeconds: 600, absoluteTtlSeconds: 60 }));
      expect(opened.expiresAt).toEqual(opened.absoluteExpiresAt);
    });

    it('stores a session without a device and an address', async () => {
      const bare = newSession({ deviceId: null, deviceName: null, ipAddress: null });
      expect(await ports.sessions.open(bare)).toMatchObject({ deviceId: null, deviceName: null, ipAddress: null });
    });

    it('joins the current unit of work', async () => {
      const given = newSession();
      await undone(async () => {
        await ports.sessions.open(given);
        expect(await ports.sessions.findById(given.id)).toMatchObject({ userId: given.userId });
      });
      expect(await ports.sessions.findForRefresh(given.id)).toBeNull();
    });

    it('never opens a session twice', async () => {
      await expect(ports.sessions.open(newSession({ id: session.id }))).rejects.toThrow();
      expect(await stored()).toMatchObject({ userId: session.userId, tokenHash: session.tokenHash });
    });
  });

  describe('findForRefresh', () => {
    it('finds nothing behind an unknown id', async () => {
      expect(await ports.sessions.findForRefresh(uuidv7())).toBeNull();
    });

    it('finds a session in any state', async () => {
      await ports.alterSession(session.id, { expiresAt: session.createdAt });
      await ports.sessions.revoke(session.id, 'admin_action');
      const found = await stored();
      expect(found).toMatchObject({ id: session.id, userId: session.userId, revokedReason: 'admin_action' });
      expect(found.expiresAt).toEqual(session.createdAt);
      expect(found.revokedAt).toBeInstanceOf(Date);
    });

    it('reads both floors and the database’s clock with it', async () => {
      await ports.policies.raiseUserFloor(session.userId, 'a test');
      const graceEndsAt = new Date('2031-02-03T04:05:06.789Z');
      await ports.alterPolicy({ globalMinTokenVersion: 4, mode: 'drain', graceEndsAt });
      const before = await databaseTime();
      const { floors, now } = await reading();
      expect(floors).toMatchObject({ userMinTokenVersion: 2, globalMinTokenVersion: 4, mode: 'drain', graceEndsAt });
      expect(now.getTime()).toBeGreaterThanOrEqual(before);
      expect(now.getTime()).toBeLessThanOrEqual(await databaseTime());
    });

    it('makes a policy that is missing', async () => {
      await ports.alterPolicy(null);
      expect((await reading()).floors).toMatchObject({
        userMinTokenVersion: 1,
        globalMinTokenVersion: 1,
        mode: 'immediate',
        graceEndsAt: null,
      });
    });

    // 35 ids, more than one statement reads. Seen red with the rows in the order in which they come.
    it('gives everyone who asks at once their own, some of them the same and some of them none', async () => {
      const others = await Promise.all(Array.from({ length: 10 }, () => ports.sessions.open(newSession())));
      const ids = others.flatMap(({ id }) => [uuidv7(), id, session.id]).concat(others.slice(0, 5).map(({ id }) => id));
      const found = await Promise.all(ids.map((id) => ports.sessions.findForRefresh(id)));
      const known = new Set([session, ...others].map(({ id }) => id));
      expect(found.map((one) => one?.session.id)).toEqual(ids.map((id) => (known.has(id) ? id : undefined)));
      expect(new Set(found.filter((one) => one !== null)).size).toBe(25);
    });

    it('reads the user, or leaves that to the directory', async () => {
      const { passwordHash: _hash, ...user } = newUser({ roles: ['admin', 'user'], isActive: false });
      await ports.addUser({ ...user, passwordHash: 'a hash' });
      const { id } = await ports.sessions.open(newSession({ userId: user.id }));
      const read = (await reading(id)).user;
      expect(read === undefined ? undefined : { ...read }).toEqual(ports.users.joinable ? user : undefined);
      expect((await reading()).user).toBe(ports.users.joinable ? null : undefined);
    });
  });

  describe('rotate', () => {
    it('replaces the live token, and tells when and by whom', async () => {
      const [start, before] = [await databaseTime(), await stored()];
      const next = nextToken(session, { tokenVersion: 5, globalVersionAtIssuance: 6 });
      expect(await ports.sessions.rotate(session, next, refreshRecord(session))).toBe(true);

      const after = await stored();
      const { userAgent, ipAddress, ...columns } = next;
      expect(after).toEqual({
        ...before,
        ...columns,
        generation: 1,
        previousTokenHash: session.tokenHash,
        keyed: false,
        replayCount: 0,
        rotatedAt: after.lastUsedAt,
        lastUserAgent: userAgent,
        lastIpAddress: ipAddress,
        lastUsedAt: expect.any(Date),
      });
      expect(after.lastUsedAt.getTime()).toBeGreaterThanOrEqual(start);
      expect(after.lastUsedAt.getTime()).toBeLessThanOrEqual(await databaseTime());
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
      expect((await recorded()).map((event) => ({ ...event }))).toEqual([
        {
          ...common,
          id: succeeded.context.eventId,
          type: 'auth.token_refresh.succeeded.v1',
          outcome: 'succeeded',
          generation: 1,
          details: { replayed: false, changedDevice: { deviceId: 'tablet' } },
        },
        {
          ...common,
          id: attempted.context.eventId,
          type: 'auth.token_refresh.attempted.v1',
          outcome: 'attempted',
          generation: 0,
          details: {},
        },
      ]);
    });

    it('moves the idle limit, but never past the absolute one', async () => {
      const beyond = new Date(session.absoluteExpiresAt.getTime() + 60_000);
      await ports.sessions.rotate(session, nextToken(session, { expiresAt: beyond }), refreshRecord(session));
      expect(await stored()).toMatchObject({
        expiresAt: session.absoluteExpiresAt,
        absoluteExpiresAt: session.absoluteExpiresAt,
      });
    });

    it('makes a session keyed that came with a retry key, for ever', async () => {
      const retryKeyHash = randomBytes(32);
      await ports.sessions.rotate(session, nextToken(session, { retryKeyHash }), refreshRecord(session));
      expect(await stored()).toMatchObject({ keyed: true, retryKeyHash });
      await rotate(await stored());
      expect(await stored()).toMatchObject({ keyed: true, retryKeyHash: null, generation: 2 });
    });

    it('counts replays anew', async () => {
      await confirm();
      await rotate();
      expect(await stored()).toMatchObject({ generation: 1, replayCount: 0 });
    });

    // Seen red, one by one, without each part of the condition.
    it.each(notLive)('is false %s, and writes nothing', async (_when, happened, live = () => session) => {
      await happened();
      const before = [await stored(), await recorded()];
      expect(await rotate(live())).toBe(false);
      expect([await stored(), await recorded()]).toEqual(before);
    });

    it('does not happen when its record cannot be stored: the attempt has ended in another way', async () => {
      const record = refreshRecord(session);
      await ports.log.append([record[1]]);
      await expect(ports.sessions.rotate(session, nextToken(session), record)).rejects.toThrow();
      expect(await stored()).toMatchObject({ generation: 0, tokenHash: session.tokenHash });
      expect(await recorded()).toHaveLength(1);
    });

    // Seen red without `generation = $2 AND token_hash = $3`.
    it('succeeds for one of twenty at once, with one record', async () => {
      const rotated = await Promise.all(Array.from({ length: 20 }, () => rotate()));
      expect(rotated.filter(Boolean)).toHaveLength(1);
      expect((await stored()).generation).toBe(1);
      expect(await recorded()).toHaveLength(2);
    });

    // Seen red without `AND revoked_at IS NULL`.
    it('leaves no survivor of a log-out at the same time', async () => {
      for (let round = 0; round < 30; round++) {
        session = await ports.sessions.open(newSession());
        const racing = [() => rotate(), () => ports.sessions.revoke(session.id, 'user_logout')];
        const [one, other] = await Promise.all((round % 2 ? racing : racing.reverse()).map((start) => start()));
        const [rotated, revoked] = round % 2 ? [one, other] : [other, one];
        expect(revoked).toBe(true);
        const { generation, revokedReason } = await stored();
        expect([generation, revokedReason]).toEqual([rotated ? 1 : 0, 'user_logout']);
        expect(await rotate(await stored())).toBe(false);
      }
    });

    it.each([
      [false, 'commits'],
      [true, 'is undone'],
    ])('answers %s when a log-out that came first %s', async (expected) => {
      const revoked = gate();
      const finish = gate();
      const loggingOut = ports.unitOfWork.run(async () => {
        await ports.sessions.revoke(session.id, 'user_logout');
        revoked.open();
        await finish.opened;
        if (expected) throw new Error('undone');
      });
      await revoked.opened;
      const rotating = rotate();
      finish.open();
      await (expected ? expect(loggingOut).rejects.toThrow('undone') : loggingOut);
      expect(await rotating).toBe(expected);
    });
  });

  describe('confirmReplay', () => {
    beforeEach(async () => {
      await rotate();
      session = { ...session, ...(await stored()) };
    });

    it('counts the replay, and changes nothing else', async () => {
      const before = await stored();
      expect(await confirm()).toBe(true);
      expect(await stored()).toEqual({ ...before, replayCount: 1 });
    });

    it('stores its record with it', async () => {
      const record = refreshRecord(session, true);
      await ports.sessions.confirmReplay(session, BY_WINDOW, record);
      const [succeeded, attempted] = await ports.log.find({ attemptId: record[0].context.attemptId! }, 100);
      expect([attempted!.id, succeeded!.id]).toEqual(record.map(({ context }) => context.eventId));
      expect(succeeded!.details).toMatchObject({ replayed: true });
    });

    it('that came with a retry key makes its session keyed, and stores the key where the rotation had none', async () => {
      expect(await confirm({ ...BY_WINDOW, retryKeyHash: KEY_HASH })).toBe(true);
      expect(await stored()).toMatchObject({ keyed: true, retryKeyHash: KEY_HASH, replayCount: 1 });
    });

    it('keeps the key of the rotation', async () => {
      const ofRotation = Buffer.alloc(32, 9);
      await ports.alterSession(session.id, { keyed: true, retryKeyHash: ofRotation });
      expect(await confirm(BY_KEY, { ...session, keyed: true })).toBe(true);
      expect(await stored()).toMatchObject({ keyed: true, retryKeyHash: ofRotation });
    });

    it('is not counted at the key’s door, and not closed by the cap', async () => {
      await ports.alterSession(session.id, { keyed: true, replayCount: 7 });
      expect(await confirm(BY_KEY, { ...session, keyed: true })).toBe(true);
      expect(await stored()).toMatchObject({ keyed: true, replayCount: 7 });
    });

    // Seen red, one by one, without each part of the condition.
    it.each(notLive)(
      'is false %s through either door, and writes nothing',
      async (_when, happened, live = () => session) => {
        await happened();
        const before = [await stored(), await recorded()];
        expect(await confirm(BY_WINDOW, live())).toBe(false);
        expect(await confirm(BY_KEY, live())).toBe(false);
        expect([await stored(), await recorded()]).toEqual(before);
      },
    );

    it.each([
      ['the cap is reached', { replayCount: 20 }],
      ['the session was keyed in the meantime', { keyed: true }],
    ])('is false at the window’s door when %s, and writes nothing', async (_when, changes) => {
      await ports.alterSession(session.id, changes);
      const before = [await stored(), await recorded()];
      expect(await confirm()).toBe(false);
      expect([await stored(), await recorded()]).toEqual(before);
    });

    it('does not happen when its record cannot be stored', async () => {
      const record = refreshRecord(session, true);
      await ports.log.append([record[0]]);
      await expect(ports.sessions.confirmReplay(session, BY_WINDOW, record)).rejects.toThrow();
      expect((await stored()).replayCount).toBe(0);
    });

    // Seen red without the cap in the condition.
    it('holds its cap for twenty at once', async () => {
      const confirmed = await Promise.all(Array.from({ length: 20 }, () => confirm({ ...BY_WINDOW, maxReplays: 5 })));
      expect(confirmed.filter(Boolean)).toHaveLength(5);
      expect((await stored()).replayCount).toBe(5);
      expect(await recorded()).toHaveLength(2 + 10);
    });

    // Seen red without `keyed = $4`.
    it('lets one of twenty in that would make the session keyed', async () => {
      const confirmed = await Promise.all(
        Array.from({ length: 20 }, () => confirm({ ...BY_WINDOW, retryKeyHash: KEY_HASH })),
      );
      expect(confirmed.filter(Boolean)).toHaveLength(1);
    });
  });

  describe('revoke', () => {
    it('ends a session once: the first reason stays', async () => {
      expect(await ports.sessions.revoke(session.id, 'reuse_detected')).toBe(true);
      const { revokedAt } = await stored();
      expect(await ports.sessions.revoke(session.id, 'user_logout')).toBe(false);
      expect(await stored()).toMatchObject({ revokedAt, revokedReason: 'reuse_detected' });
    });

    it('ends an expired session, too', async () => {
      await ports.alterSession(session.id, { expiresAt: session.createdAt });
      expect(await ports.sessions.revoke(session.id, 'user_logout')).toBe(true);
    });

    it('is false for an unknown session', async () => {
      expect(await ports.sessions.revoke(uuidv7(), 'user_logout')).toBe(false);
    });

    it('changes nothing else', async () => {
      const before = await stored();
      await ports.sessions.revoke(session.id, 'admin_action');
      const after = await stored();
      expect(after).toEqual({
        ...before,
        revokedAt: after.revokedAt,
        revokedReason: 'admin_action',
      });
    });

    it('joins the current unit of work', async () => {
      const revoke = () => undone(() => ports.sessions.revoke(session.id, 'user_logout'));
      expect(await announcements(revoke)).toEqual([]);
      expect(await stored()).toMatchObject({ revokedAt: null, revokedReason: null });
    });

    // Seen red without the announcement.
    it('is announced to the guards, once', async () => {
      const revoke = () => ports.sessions.revoke(session.id, 'user_logout');
      expect(await announcements(revoke)).toEqual([{ kind: 'session', sessionId: session.id }]);
      expect(await announcements(revoke)).toEqual([]);
      expect(await announcements(() => ports.sessions.revoke(uuidv7(), 'user_logout'))).toEqual([]);
    });

    it('is not announced where the guards refuse the session already, being below a floor', async () => {
      const revoke = () => ports.sessions.revoke(session.id, 'token_version_rejected');
      expect(await announcements(revoke)).toEqual([]);
      expect((await stored()).revokedReason).toBe('token_version_rejected');
    });

    // Seen red without the condition.
    it('leaves a session alone that was rotated since it was read', async () => {
      const { tokenHash } = session;
      await rotate();
      for (const asRead of [session, { generation: 1, tokenHash }, { ...(await stored()), generation: 0 }]) {
        expect(await ports.sessions.revoke(session.id, 'token_version_rejected', asRead)).toBe(false);
      }
      expect((await stored()).revokedAt).toBeNull();
      expect(await ports.sessions.revoke(session.id, 'token_version_rejected', await stored())).toBe(true);
    });

    it('is answered with true to one of ten at once', async () => {
      const ended = await Promise.all(
        Array.from({ length: 10 }, () => ports.sessions.revoke(session.id, 'user_logout')),
      );
      expect(ended.filter(Boolean)).toHaveLength(1);
    });
  });

  describe('revokeAllOfUser', () => {
    let userId: string;
    let live: Session[];

    beforeEach(async () => {
      userId = uuidv7();
      live = [];
      for (let i = 0; i < 3; i++) live.push(await ports.sessions.open(newSession({ userId })));
    });

    it('ends the live sessions of one user, tells which, and announces nothing', async () => {
      const expired = await ports.sessions.open(newSession({ userId }));
      await ports.alterSession(expired.id, { expiresAt: expired.createdAt });
      const revoked = await ports.sessions.open(newSession({ userId }));
      await ports.sessions.revoke(revoked.id, 'user_logout');

      let ended: string[] = [];
      const revokeAll = async () => (ended = await ports.sessions.revokeAllOfUser(userId, 'admin_action'));
      expect(await announcements(revokeAll)).toEqual([]);
      expect(ended).toEqual(live.map(({ id }) => id));

      const reasons = async (all: Session[]) =>
        Promise.all(all.map(async ({ id }) => (await stored(id)).revokedReason));
      expect(await reasons(live)).toEqual(Array(3).fill('admin_action'));
      expect(await reasons([expired, revoked, session])).toEqual([null, 'user_logout', null]);
      expect(await ports.sessions.revokeAllOfUser(userId, 'admin_action')).toEqual([]);
    });

    it('ends nothing for an unknown user', async () => {
      expect(await ports.sessions.revokeAllOfUser(uuidv7(), 'admin_action')).toEqual([]);
    });

    it('joins the current unit of work', async () => {
      await undone(() => ports.sessions.revokeAllOfUser(userId, 'admin_action'));
      for (const { id } of live) expect((await stored(id)).revokedAt).toBeNull();
    });

    it('ends each session once when ten do it at once, while the sessions rotate', async () => {
      const ending = Array.from({ length: 10 }, () => ports.sessions.revokeAllOfUser(userId, 'user_logout_all'));
      await Promise.all(live.map((one) => ports.sessions.rotate(one, nextToken(one), refreshRecord(one))));
      expect((await Promise.all(ending)).flat().sort()).toEqual(live.map(({ id }) => id).sort());
      for (const { id } of live) expect((await stored(id)).revokedReason).toBe('user_logout_all');
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
      const found = async () => (await ports.sessions.findLiveOfUser(userId)).map(({ id }) => id);

      await used(first!.id, 2);
      await used(second!.id, 1);
      expect(await found()).toEqual([second!.id, first!.id]);
      await used(first!.id, 0);
      expect(await found()).toEqual([first!.id, second!.id]);
      expect({ ...(await ports.sessions.findLiveOfUser(userId))[0] }).toEqual({
        ...(await ports.sessions.findById(first!.id)),
      });
    });

    it('answers none for an unknown user', async () => {
      expect(await ports.sessions.findLiveOfUser(uuidv7())).toEqual([]);
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
      ports.sessions.revokeSome({ userId, keepLastUsed }, 'session_limit_exceeded');

    it('ends all but one, tells which, and announces each', async () => {
      const [first, second, third] = live;
      let ended: string[] = [];
      const announced = await announcements(async () => {
        ended = await ports.sessions.revokeSome({ userId, except: second! }, 'session_revoked');
      });
      expect(ended.toSorted()).toEqual([first, third]);
      expect(announced).toEqual(ended.map((sessionId) => ({ kind: 'session', sessionId })));
      expect(await reasons()).toEqual(['session_revoked', null, 'session_revoked']);
      expect((await stored()).revokedAt).toBeNull();
      expect(await ports.sessions.revokeSome({ userId, except: second! }, 'session_revoked')).toEqual([]);
    });

    it('ends all, where the one to keep is somebody else’s', async () => {
      expect(await ports.sessions.revokeSome({ userId, except: session.id }, 'session_revoked')).toHaveLength(3);
    });

    // Seen red with the first use for the last.
    it.each([
      [3, [null, null, null]],
      [2, [null, null, 'session_limit_exceeded']],
      [1, ['session_limit_exceeded', null, 'session_limit_exceeded']],
      [0, ['session_limit_exceeded', 'session_limit_exceeded', 'session_limit_exceeded']],
    ])('ends all but the %d that were used last', async (keep, expected) => {
      const ended = await evict(keep);
      expect(await reasons()).toEqual(expected);
      expect(ended.toSorted()).toEqual(live.filter((_, at) => expected[at] !== null).toSorted());
    });

    it('ends the older one of two that were used in the same moment', async () => {
      const lastUsedAt = new Date(await databaseTime());
      for (const id of live) await ports.alterSession(id, { lastUsedAt });
      expect((await evict(1)).toSorted()).toEqual(live.slice(0, 2));
    });

    it('counts only the ones that live', async () => {
      await ports.sessions.revoke(live[1]!, 'user_logout');
      await ports.alterSession(live[0]!, { expiresAt: session.createdAt });
      expect(await evict(1)).toEqual([]);
    });

    it('joins the current unit of work', async () => {
      expect(await announcements(() => undone(() => evict(0)))).toEqual([]);
      expect(await reasons()).toEqual([null, null, null]);
    });

    it('ends each once when ten do it at once', async () => {
      const ended = await Promise.all(Array.from({ length: 10 }, () => evict(0)));
      expect(ended.flat().toSorted()).toEqual(live.toSorted());
    });
  });

  describe('a session that ended longer ago than is retained', () => {
    /** By `seconds` more than is retained. */
    const gone = (seconds = 5, changes: Partial<NewSession> = {}) => {
      const ttl = -RETENTION_SECONDS - seconds;
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
        await ports.sessions.findLiveOfUser(userId),
        await ports.sessions.revoke(open.id, 'user_logout'),
      ];
      const before = await answers();
      expect(before).toEqual([null, null, 0, [], false]);
      expect(await deleteAll()).toBe(2);
      expect(await answers()).toEqual(before);
    });

    it('is counted, and deleted a few at a time until none is left', async () => {
      for (let i = 0; i < 5; i++) await gone(5 + i);
      expect(await ports.sessions.countEnded()).toBe(5);
      expect(await ports.sessions.deleteEnded(2)).toBe(2);
      expect(await ports.sessions.countEnded()).toBe(3);
      expect(await ports.sessions.deleteEnded(100)).toBe(3);
      expect(await ports.sessions.deleteEnded(100)).toBe(0);
      expect(await ports.sessions.countEnded()).toBe(0);
    });

    // Seen red with the idle limit for the absolute one, and without the retention.
    it('is the only one that is deleted: live, expired and revoked ones stay', async () => {
      const expired = await gone(-60);
      const idle = await ports.sessions.open(newSession());
      await ports.alterSession(idle.id, { expiresAt: new Date(idle.createdAt.getTime() - 40 * DAY_MS) });
      const revoked = await ports.sessions.open(newSession());
      await ports.sessions.revoke(revoked.id, 'reuse_detected');
      const { id } = await gone();
      expect(await deleteAll()).toBe(1);
      for (const kept of [session, expired, idle, revoked]) {
        expect(await ports.sessions.findById(kept.id)).toMatchObject({ id: kept.id });
      }
      expect(await ports.sessions.findById(id)).toBeNull();
    });

    it('is deleted once when ten clean up at once', async () => {
      for (let i = 0; i < 20; i++) await gone();
      const deleted = await Promise.all(Array.from({ length: 10 }, deleteAll));
      expect(deleted.reduce((sum, one) => sum + one)).toBe(20);
      expect(await ports.sessions.countEnded()).toBe(0);
    });
  });

  describe('revokeAll', () => {
    it('ends the live sessions of everyone, counts them, and announces nothing', async () => {
      await ports.sessions.revokeAll('admin_action');
      const live = [await ports.sessions.open(newSession()), await ports.sessions.open(newSession())];
      const expired = await ports.sessions.open(newSession());
      await ports.alterSession(expired.id, { expiresAt: expired.createdAt });
      const revoked = await ports.sessions.open(newSession());
      await ports.sessions.revoke(revoked.id, 'user_logout');

      const announced = await announcements(() => expect(ports.sessions.revokeAll('admin_action')).resolves.toBe(2));

      expect(announced).toEqual([]);
      const reasons = await Promise.all(
        [...live, expired, revoked].map(async ({ id }) => (await stored(id)).revokedReason),
      );
      expect(reasons).toEqual(['admin_action', 'admin_action', null, 'user_logout']);
      expect(await ports.sessions.revokeAll('admin_action')).toBe(0);
    });

    it('joins the current unit of work', async () => {
      await undone(() => ports.sessions.revokeAll('admin_action'));
      expect((await stored()).revokedAt).toBeNull();
    });
  });

  describe('countBelowGlobal', () => {
    it('counts the sessions that could be refreshed and were issued below the version', async () => {
      await ports.sessions.revokeAll('admin_action');
      for (const globalVersionAtIssuance of [1, 2, 2, 3]) {
        await ports.sessions.open(newSession({ globalVersionAtIssuance }));
      }
      const expired = await ports.sessions.open(newSession());
      await ports.alterSession(expired.id, { expiresAt: expired.createdAt });
      const counts = [1, 2, 3, 4].map((version) => ports.sessions.countBelowGlobal(version));
      expect(await Promise.all(counts)).toEqual([0, 1, 3, 4]);
    });
  });

  describe('findById', () => {
    it('answers a session in any state as it was opened, and null for an unknown one', async () => {
      expect({ ...(await ports.sessions.findById(session.id)) }).toEqual({ ...session });
      await ports.alterSession(session.id, { expiresAt: session.createdAt });
      await ports.sessions.revoke(session.id, 'user_logout');
      expect(await ports.sessions.findById(session.id)).toMatchObject({
        expiresAt: session.createdAt,
        revokedAt: expect.any(Date),
        revokedReason: 'user_logout',
      });
      expect(await ports.sessions.findById(uuidv7())).toBeNull();
    });
  });

  describe('countReuses', () => {
    const ended = async (reason: RevocationReason, userId = session.userId) => {
      const { id } = await ports.sessions.open(newSession({ userId }));
      await ports.sessions.revoke(id, reason);
      return id;
    };

    it('counts the user’s sessions that ended by reuse', async () => {
      expect(await ports.sessions.countReuses(session.userId)).toBe(0);
      await ended('reuse_detected');
      await ended('user_logout');
      await ended('reuse_detected', uuidv7());
      expect(await ports.sessions.countReuses(session.userId)).toBe(1);
    });

    it('forgets them after 24 hours', async () => {
      const ids = [await ended('reuse_detected'), await ended('reuse_detected')];
      const now = await databaseTime();
      await ports.alterSession(ids[0]!, { revokedAt: new Date(now - DAY_MS - 1_000) });
      await ports.alterSession(ids[1]!, { revokedAt: new Date(now - DAY_MS + 60_000) });
      expect(await ports.sessions.countReuses(session.userId)).toBe(1);
    });

    it('includes those of the current unit of work', async () => {
      await undone(async () => {
        await ended('reuse_detected');
        expect(await ports.sessions.countReuses(session.userId)).toBe(1);
      });
      expect(await ports.sessions.countReuses(session.userId)).toBe(0);
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
      expect(counts.sort()).toEqual([1, 2, 3, 4, 5]);
    });

    it('is let go when the unit of work is undone', async () => {
      await undone(() => ports.sessions.lockUser(session.userId));
      await ports.unitOfWork.run(() => ports.sessions.lockUser(session.userId));
    });
  });
});
