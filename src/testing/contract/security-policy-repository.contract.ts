import assert from 'node:assert/strict';
import { v7 as uuidv7 } from 'uuid';
import type { GlobalRaise } from '../../index';
import { A_DATE, matches, same } from './assertions';
import { collected, type ContractCase, type ContractPorts, type UnderTest } from './contract';

const DEFAULTS = { globalMinTokenVersion: 1, mode: 'immediate', graceEndsAt: null };

/** The promises of `SecurityPolicyRepository`. */
export function securityPolicyRepositoryContract({ make }: UnderTest): readonly ContractCase[] {
  let ports: ContractPorts;
  let userId: string;
  const open = async () => (ports = await make());
  return collected(open, ({ beforeEach, describe, it }) => {
    beforeEach(() => {
      userId = uuidv7();
    });

    const floors = async (of = userId) => (await ports.policies.floorsOf(of)).floors;

    it('begin at 1, without a grace', async () => {
      same(await floors(), { ...DEFAULTS, userMinTokenVersion: 1 });
    });

    it('are read as they are now, with the database’s clock', async () => {
      const graceEndsAt = new Date('2031-02-03T04:05:06.789Z');
      await ports.alterPolicy({ globalMinTokenVersion: 9, mode: 'migrate', graceEndsAt });
      await ports.policies.raiseUserFloor(userId, 'a test', null);
      same(await floors(), { globalMinTokenVersion: 9, mode: 'migrate', graceEndsAt, userMinTokenVersion: 2 });

      const [one, other] = [await ports.policies.floorsOf(userId), await ports.policies.floorsOf(userId)];
      assert.ok(other.now.getTime() >= one.now.getTime());
      assert.ok(Math.abs(one.now.getTime() - Date.now()) < 60_000);
    });

    it('are made again when the policy is lost, once for everybody who asks at the same time', async () => {
      await ports.alterPolicy({ globalMinTokenVersion: 9 });
      await ports.alterPolicy(null);
      const readings = await Promise.all(Array.from({ length: 10 }, () => floors()));
      same(readings, Array(10).fill({ ...DEFAULTS, userMinTokenVersion: 1 }));
      await ports.alterPolicy({ globalMinTokenVersion: 2 });
      assert.equal((await floors()).globalMinTokenVersion, 2);
    });

    it('keep a user’s floor when the policy is lost', async () => {
      await ports.policies.raiseUserFloor(userId, 'a test', null);
      await ports.alterPolicy(null);
      same(await floors(), { ...DEFAULTS, userMinTokenVersion: 2 });
    });

    it('rise by one for one user, and answer the floor after it', async () => {
      const other = uuidv7();
      assert.equal(await ports.policies.raiseUserFloor(userId, 'once', null), 2);
      assert.equal(await ports.policies.raiseUserFloor(userId, 'twice', null), 3);
      same([(await floors()).userMinTokenVersion, (await floors(other)).userMinTokenVersion], [3, 1]);
    });

    it('rise alike whether the raise ends sessions or not', async () => {
      assert.equal(await ports.policies.raiseUserFloor(userId, 'user_logout_all', 'user_logout_all'), 2);
      assert.equal(await ports.policies.raiseUserFloor(userId, 'role_removed', null), 3);
      assert.equal(await ports.policies.raiseUserFloor(userId, 'admin_action', 'admin_action'), 4);
      assert.equal((await floors()).userMinTokenVersion, 4);
    });

    // Seen red with an upsert that does not add to what is stored.
    it('lose no raise when ten come at once', async () => {
      const raised = await Promise.all(
        Array.from({ length: 10 }, () => ports.policies.raiseUserFloor(userId, 'a test', null)),
      );
      same(
        raised.sort((a, b) => a - b),
        [2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
      );
      assert.equal((await floors()).userMinTokenVersion, 11);
    });

    // Seen red without the condition, and with a row that is created at any floor.
    it('rise from exactly one value, or not at all and with no announcement', async () => {
      const raiseFrom = (from: number) => ports.policies.raiseUserFloorFrom(from, userId, 'a reset', 'password_reset');
      for (const from of [0, 2, 7]) assert.equal(await raiseFrom(from), null);
      assert.equal((await floors()).userMinTokenVersion, 1);
      assert.equal(await raiseFrom(1), 2);
      const announced: unknown[] = [];
      const stop = await ports.feed.watch({
        hint: () => undefined,
        reset: () => undefined,
        committed: (revocations) => void announced.push(...revocations),
      });
      for (const from of [1, 3]) assert.equal(await raiseFrom(from), null);
      same(announced, []);
      assert.equal(await raiseFrom(2), 3);
      same(announced, [{ kind: 'user', userId, minVersion: 3 }]);
      await stop();
      assert.equal((await floors()).userMinTokenVersion, 3);
    });

    it('rise once when ten come at once from the same value, the first and a later one', async () => {
      for (const from of [1, 2]) {
        const raised = await Promise.all(
          Array.from({ length: 10 }, () => ports.policies.raiseUserFloorFrom(from, userId, 'a reset', null)),
        );
        same(
          raised.filter((floor) => floor !== null),
          [from + 1],
        );
      }
    });

    it('rise with the current unit of work, and not without it', async () => {
      const unit = ports.unitOfWork.run(async () => {
        assert.equal(await ports.policies.raiseUserFloor(userId, 'a test', null), 2);
        assert.equal((await floors()).userMinTokenVersion, 2);
        throw new Error('undone');
      });
      await assert.rejects(unit, /undone/);
      assert.equal((await floors()).userMinTokenVersion, 1);
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
      /** The changes that this process's own guard is notified of while `work` runs. */
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
        same(one.policy, {
          ...DEFAULTS,
          gracePeriodSeconds: 300,
          lastRotationAt: null,
          lastRotationReason: null,
          createdAt: A_DATE,
          updatedAt: A_DATE,
        });
        same(other.policy, one.policy);
        assert.ok(other.now.getTime() >= one.now.getTime());
      });

      it('rises by one, and tells how and why', async () => {
        const before = await read();
        const raised = (await raise({ reason: 'a key was seen in a log' }))!;
        same(raised, {
          ...before,
          globalMinTokenVersion: 2,
          lastRotationAt: A_DATE,
          lastRotationReason: 'a key was seen in a log',
          updatedAt: A_DATE,
        });
        assert.ok(raised.updatedAt.getTime() >= before.updatedAt.getTime());
        same(await read(), raised);
      });

      // Seen red in memory, where the version fell, and a reason was kept that no database keeps.
      const refused: [what: string, change: () => Promise<unknown>][] = [
        ['a rise by nothing', () => raise({ by: 0 })],
        ['a fall', () => raise({ by: -5 })],
        ['a reason that cannot be stored', () => raise({ reason: 'a\0' })],
        ['a grace period below 0', () => ports.policies.setGracePeriod(-1)],
        ["a reason of one user's that cannot be stored", () => ports.policies.raiseUserFloor(userId, 'a\0', null)],
      ];
      for (const [what, change] of refused) {
        it(`refuses ${what}, and changes nothing`, async () => {
          const before = [await read(), await floors()];
          await assert.rejects(change());
          same([await read(), await floors()], before);
        });
      }

      it('rises by more when asked to', async () => {
        assert.equal((await raise({ by: 1000 }))?.globalMinTokenVersion, 1001);
      });

      for (const [mode, gracePeriodSeconds, seconds] of [
        ['drain', null, 300],
        ['migrate', null, 300],
        ['drain', HOUR, HOUR],
        ['migrate', 0, 0],
      ] as const) {
        it(`in mode ${mode} with a grace of ${gracePeriodSeconds} seconds ends it after ${seconds}`, async () => {
          const before = (await ports.policies.read()).now.getTime();
          const raised = (await raise({ mode, gracePeriodSeconds }))!;
          const after = (await ports.policies.read()).now.getTime();
          matches(raised, { mode, gracePeriodSeconds: 300 });
          const startedAt = raised.graceEndsAt!.getTime() - seconds * 1000;
          assert.ok(startedAt >= before);
          assert.ok(startedAt <= after);
        });
      }

      it('has no grace in mode immediate, also after one that ran', async () => {
        await raise({ mode: 'drain', gracePeriodSeconds: HOUR });
        matches(await raise({ mode: 'immediate', gracePeriodSeconds: HOUR }), {
          mode: 'immediate',
          graceEndsAt: null,
        });
      });

      // Seen red with a read and a write in place of one statement.
      it('gives consecutive versions to ten who raise it at once', async () => {
        const raised = await Promise.all(Array.from({ length: 10 }, () => raise()));
        const versions = raised.map((policy) => policy!.globalMinTokenVersion);
        same(
          versions.sort((a, b) => a - b),
          [2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        );
        assert.equal((await read()).globalMinTokenVersion, 11);
      });

      it('rises for one of ten who expect the same version at once', async () => {
        const raised = await Promise.all(Array.from({ length: 10 }, () => raise({ expectedVersion: 1 })));
        assert.equal(raised.filter((policy) => policy !== null).length, 1);
        assert.equal((await read()).globalMinTokenVersion, 2);
      });

      for (const expectedVersion of [2, 0, 1000]) {
        it(`changes nothing, and tells nobody, when version ${expectedVersion} is expected`, async () => {
          const before = await read();
          const raising = async () => assert.equal(await raise({ expectedVersion, mode: 'drain' }), null);
          same(await told(raising), []);
          same(await read(), before);
        });
      }

      it('takes a grace period for later rotations, and answers the one before', async () => {
        const { previousSeconds, policy } = await ports.policies.setGracePeriod(HOUR);
        assert.equal(previousSeconds, 300);
        matches(policy, { ...DEFAULTS, gracePeriodSeconds: HOUR, lastRotationAt: null });
        same(await read(), policy);
        assert.equal((await ports.policies.setGracePeriod(0)).previousSeconds, HOUR);

        const before = (await ports.policies.read()).now.getTime();
        const raised = await raise({ mode: 'migrate' });
        assert.ok(raised!.graceEndsAt!.getTime() >= before);
        assert.ok(raised!.graceEndsAt!.getTime() <= (await ports.policies.read()).now.getTime());
      });

      // Seen red with a PATCH that moves grace_ends_at.
      it('does not move a grace that runs when the period is changed', async () => {
        const raised = (await raise({ mode: 'drain', gracePeriodSeconds: HOUR }))!;
        const { policy } = await ports.policies.setGracePeriod(10 * HOUR);
        const { gracePeriodSeconds: _old, updatedAt: _then, ...rest } = raised;
        matches(policy, rest);
      });

      it('loses neither of a rotation and a change of the period at once', async () => {
        await Promise.all([raise(), ports.policies.setGracePeriod(7), raise(), ports.policies.setGracePeriod(8)]);
        const policy = await read();
        assert.equal(policy.globalMinTokenVersion, 3);
        assert.ok([7, 8].includes(policy.gracePeriodSeconds));
      });

      it('has a recovery epoch that ends some seconds from now, and moves, and announces nothing', async () => {
        const before = await read();
        const now = async () => (await ports.policies.read()).now.getTime();
        let previous = (await ports.policies.moveRecovery(0)).recoveryUntil;
        const announced = await told(async () => {
          for (const seconds of [HOUR, 7 * 24 * HOUR, 60, 0]) {
            const start = await now();
            const { previousUntil, recoveryUntil } = await ports.policies.moveRecovery(seconds);
            same(previousUntil, previous);
            assert.ok(recoveryUntil!.getTime() >= start + seconds * 1000);
            assert.ok(recoveryUntil!.getTime() <= (await now()) + seconds * 1000);
            previous = recoveryUntil;
          }
          same(await ports.policies.moveRecovery(0), { previousUntil: previous, recoveryUntil: previous });
        });
        same(announced, []);
        same(await read(), before);
      });

      it('changes with the current unit of work, and not without it', async () => {
        const before = await read();
        const announced = await told(() =>
          assert.rejects(
            ports.unitOfWork.run(async () => {
              await raise({ mode: 'drain' });
              await ports.policies.setGracePeriod(1);
              await ports.policies.moveRecovery(HOUR);
              await ports.policies.raiseUserFloor(userId, 'a test', null);
              matches(await read(), { globalMinTokenVersion: 2, gracePeriodSeconds: 1 });
              throw new Error('undone');
            }),
            /undone/,
          ),
        );
        same(announced, []);
        same(await read(), before);
      });

      it('and the floors are announced to the guards by the change that raises them, once it has committed', async () => {
        const announced = await told(() =>
          ports.unitOfWork.run(async () => {
            await ports.policies.raiseUserFloor(userId, 'a test', null);
            await raise();
            await ports.policies.setGracePeriod(1);
          }),
        );
        const policy = await read();
        const [ofUser, ofAll, ...rest] = announced;
        same(ofUser, [[{ kind: 'user', userId, minVersion: 2 }], undefined]);
        matches(ofAll, [[], { globalMinTokenVersion: 2, gracePeriodSeconds: 300 }]);
        same(rest, [[[], policy]]);
      });
    });
  });
}
