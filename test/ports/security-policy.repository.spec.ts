import { v7 as uuidv7 } from 'uuid';
import type { GlobalRaise } from '../../src';
import { adapters, type Ports } from './adapters';

const DEFAULTS = { globalMinTokenVersion: 1, mode: 'immediate', graceEndsAt: null };

describe.each(adapters)('the policy and the floors %s', (_name, make) => {
  let ports: Ports;
  let userId: string;

  beforeAll(async () => {
    ports = await make();
  });
  afterAll(() => ports.close());
  beforeEach(() => {
    userId = uuidv7();
  });

  const floors = async (of = userId) => (await ports.policies.floorsOf(of)).floors;

  it('begin at 1, without a grace', async () => {
    expect(await floors()).toEqual({ ...DEFAULTS, userMinTokenVersion: 1 });
  });

  it('are read as they are now, with the database’s clock', async () => {
    const graceEndsAt = new Date('2031-02-03T04:05:06.789Z');
    await ports.alterPolicy({ globalMinTokenVersion: 9, mode: 'migrate', graceEndsAt });
    await ports.policies.raiseUserFloor(userId, 'a test');
    expect(await floors()).toEqual({ globalMinTokenVersion: 9, mode: 'migrate', graceEndsAt, userMinTokenVersion: 2 });

    const [one, other] = [await ports.policies.floorsOf(userId), await ports.policies.floorsOf(userId)];
    expect(other.now.getTime()).toBeGreaterThanOrEqual(one.now.getTime());
    expect(Math.abs(one.now.getTime() - Date.now())).toBeLessThan(60_000);
  });

  it('are made again when the policy is lost, once for everybody who asks at the same time', async () => {
    await ports.alterPolicy({ globalMinTokenVersion: 9 });
    await ports.alterPolicy(null);
    const readings = await Promise.all(Array.from({ length: 10 }, () => floors()));
    expect(readings).toEqual(Array(10).fill({ ...DEFAULTS, userMinTokenVersion: 1 }));
    await ports.alterPolicy({ globalMinTokenVersion: 2 });
    expect((await floors()).globalMinTokenVersion).toBe(2);
  });

  it('keep a user’s floor when the policy is lost', async () => {
    await ports.policies.raiseUserFloor(userId, 'a test');
    await ports.alterPolicy(null);
    expect(await floors()).toEqual({ ...DEFAULTS, userMinTokenVersion: 2 });
  });

  it('rise by one for one user, and answer the floor after it', async () => {
    const other = uuidv7();
    expect(await ports.policies.raiseUserFloor(userId, 'once')).toBe(2);
    expect(await ports.policies.raiseUserFloor(userId, 'twice')).toBe(3);
    expect([(await floors()).userMinTokenVersion, (await floors(other)).userMinTokenVersion]).toEqual([3, 1]);
  });

  // Seen red with an upsert that does not add to what is stored.
  it('lose no raise when ten come at once', async () => {
    const raised = await Promise.all(Array.from({ length: 10 }, () => ports.policies.raiseUserFloor(userId, 'a test')));
    expect(raised.sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect((await floors()).userMinTokenVersion).toBe(11);
  });

  it('rise with the current unit of work, and not without it', async () => {
    const unit = ports.unitOfWork.run(async () => {
      expect(await ports.policies.raiseUserFloor(userId, 'a test')).toBe(2);
      expect((await floors()).userMinTokenVersion).toBe(2);
      throw new Error('undone');
    });
    await expect(unit).rejects.toThrow('undone');
    expect((await floors()).userMinTokenVersion).toBe(1);
  });

  describe('the policy', () => {
    const HOUR = 3600;
    const read = async () => (await ports.policies.read()).policy;
    const raise = (changes: Partial<GlobalRaise> = {}) =>
      ports.policies.raiseGlobalFloor({
        mode: 'immediate',
        gracePeriodSeconds: null,
        reason: 'a test',
        expectedVersion: null,
        by: 1,
        ...changes,
      });
    /** What this process's own guard is told while `work` runs. */
    const told = async (work: () => Promise<unknown>) => {
      const committed: [unknown, unknown][] = [];
      const stop = await ports.feed.watch({
        hint: () => undefined,
        reset: () => undefined,
        committed: (revocations, policy) => void committed.push([revocations, policy]),
      });
      await work();
      await stop();
      return committed;
    };

    beforeEach(() => ports.alterPolicy(null));

    it('is read with its defaults after it was lost, and with the database’s clock', async () => {
      const [one, other] = [await ports.policies.read(), await ports.policies.read()];
      expect(one.policy).toEqual({
        ...DEFAULTS,
        gracePeriodSeconds: 300,
        lastRotationAt: null,
        lastRotationReason: null,
        createdAt: expect.any(Date),
        updatedAt: expect.any(Date),
      });
      expect(other.policy).toEqual(one.policy);
      expect(other.now.getTime()).toBeGreaterThanOrEqual(one.now.getTime());
    });

    it('rises by one, and tells how and why', async () => {
      const before = await read();
      const raised = (await raise({ reason: 'a key was seen in a log' }))!;
      expect(raised).toEqual({
        ...before,
        globalMinTokenVersion: 2,
        lastRotationAt: expect.any(Date),
        lastRotationReason: 'a key was seen in a log',
        updatedAt: expect.any(Date),
      });
      expect(raised.updatedAt.getTime()).toBeGreaterThanOrEqual(before.updatedAt.getTime());
      expect(await read()).toEqual(raised);
    });

    // Seen red in memory, where the version fell, and a reason was kept that no database keeps.
    it.each<[string, () => Promise<unknown>]>([
      ['a rise by nothing', () => raise({ by: 0 })],
      ['a fall', () => raise({ by: -5 })],
      ['a reason that cannot be stored', () => raise({ reason: 'a\0' })],
      ['a grace period below 0', () => ports.policies.setGracePeriod(-1)],
      ["a reason of one user's that cannot be stored", () => ports.policies.raiseUserFloor(userId, 'a\0')],
    ])('refuses %s, and changes nothing', async (_, change) => {
      const before = [await read(), await floors()];
      await expect(change()).rejects.toThrow();
      expect([await read(), await floors()]).toEqual(before);
    });

    it('rises by more when asked to', async () => {
      expect((await raise({ by: 1000 }))?.globalMinTokenVersion).toBe(1001);
    });

    it.each([
      ['drain', null, 300],
      ['migrate', null, 300],
      ['drain', HOUR, HOUR],
      ['migrate', 0, 0],
    ] as const)('in mode %s with a grace of %s seconds ends it after %s', async (mode, gracePeriodSeconds, seconds) => {
      const before = (await ports.policies.read()).now.getTime();
      const raised = (await raise({ mode, gracePeriodSeconds }))!;
      const after = (await ports.policies.read()).now.getTime();
      expect(raised).toMatchObject({ mode, gracePeriodSeconds: 300 });
      const startedAt = raised.graceEndsAt!.getTime() - seconds * 1000;
      expect(startedAt).toBeGreaterThanOrEqual(before);
      expect(startedAt).toBeLessThanOrEqual(after);
    });

    it('has no grace in mode immediate, also after one that ran', async () => {
      await raise({ mode: 'drain', gracePeriodSeconds: HOUR });
      expect(await raise({ mode: 'immediate', gracePeriodSeconds: HOUR })).toMatchObject({
        mode: 'immediate',
        graceEndsAt: null,
      });
    });

    // Seen red with a read and a write in place of one statement.
    it('gives consecutive versions to ten who raise it at once', async () => {
      const raised = await Promise.all(Array.from({ length: 10 }, () => raise()));
      const versions = raised.map((policy) => policy!.globalMinTokenVersion);
      expect(versions.sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
      expect((await read()).globalMinTokenVersion).toBe(11);
    });

    it('rises for one of ten who expect the same version at once', async () => {
      const raised = await Promise.all(Array.from({ length: 10 }, () => raise({ expectedVersion: 1 })));
      expect(raised.filter((policy) => policy !== null)).toHaveLength(1);
      expect((await read()).globalMinTokenVersion).toBe(2);
    });

    it.each([2, 0, 1000])('changes nothing, and tells nobody, when version %s is expected', async (expectedVersion) => {
      const before = await read();
      expect(await told(() => expect(raise({ expectedVersion, mode: 'drain' })).resolves.toBeNull())).toEqual([]);
      expect(await read()).toEqual(before);
    });

    it('takes a grace period for later rotations, and answers the one before', async () => {
      const { previousSeconds, policy } = await ports.policies.setGracePeriod(HOUR);
      expect(previousSeconds).toBe(300);
      expect(policy).toMatchObject({ ...DEFAULTS, gracePeriodSeconds: HOUR, lastRotationAt: null });
      expect(await read()).toEqual(policy);
      expect((await ports.policies.setGracePeriod(0)).previousSeconds).toBe(HOUR);

      const before = (await ports.policies.read()).now.getTime();
      const raised = await raise({ mode: 'migrate' });
      expect(raised!.graceEndsAt!.getTime()).toBeGreaterThanOrEqual(before);
      expect(raised!.graceEndsAt!.getTime()).toBeLessThanOrEqual((await ports.policies.read()).now.getTime());
    });

    // Seen red with a PATCH that moves grace_ends_at.
    it('does not move a grace that runs when the period is changed', async () => {
      const raised = (await raise({ mode: 'drain', gracePeriodSeconds: HOUR }))!;
      const { policy } = await ports.policies.setGracePeriod(10 * HOUR);
      const { gracePeriodSeconds: _old, updatedAt: _then, ...rest } = raised;
      expect(policy).toMatchObject(rest);
    });

    it('loses neither of a rotation and a change of the period at once', async () => {
      await Promise.all([raise(), ports.policies.setGracePeriod(7), raise(), ports.policies.setGracePeriod(8)]);
      const policy = await read();
      expect(policy.globalMinTokenVersion).toBe(3);
      expect([7, 8]).toContain(policy.gracePeriodSeconds);
    });

    it('changes with the current unit of work, and not without it', async () => {
      const before = await read();
      const announced = await told(() =>
        expect(
          ports.unitOfWork.run(async () => {
            await raise({ mode: 'drain' });
            await ports.policies.setGracePeriod(1);
            await ports.policies.raiseUserFloor(userId, 'a test');
            expect(await read()).toMatchObject({ globalMinTokenVersion: 2, gracePeriodSeconds: 1 });
            throw new Error('undone');
          }),
        ).rejects.toThrow('undone'),
      );
      expect(announced).toEqual([]);
      expect(await read()).toEqual(before);
    });

    it('and the floors are told to the guards by the change that raises them, once it has committed', async () => {
      const announced = await told(() =>
        ports.unitOfWork.run(async () => {
          await ports.policies.raiseUserFloor(userId, 'a test');
          await raise();
          await ports.policies.setGracePeriod(1);
        }),
      );
      const policy = await read();
      expect(announced).toEqual([
        [[{ kind: 'user', userId, minVersion: 2 }], undefined],
        [[], expect.objectContaining({ globalMinTokenVersion: 2, gracePeriodSeconds: 300 })],
        [[], policy],
      ]);
    });
  });
});
