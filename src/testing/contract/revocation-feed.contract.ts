import assert from 'node:assert/strict';
import { v7 as uuidv7 } from 'uuid';
import type { Revocation, RevocationWatcher, SecurityPolicy } from '../../index';
import { A_DATE, includes, matches, same } from './assertions';
import { collected, type ContractCase, type ContractPorts, type UnderTest } from './contract';
import { newSession, readAll } from './examples';
import { gate } from './gate';

const subjectOf = (revocation: Revocation) => (revocation.kind === 'user' ? revocation.userId : revocation.sessionId);

/** Notes what has committed. */
class NotingWatcher implements RevocationWatcher {
  readonly told: [readonly Revocation[], SecurityPolicy | undefined][] = [];
  hint(): void {}
  reset(): void {}
  committed(...what: [readonly Revocation[], SecurityPolicy?]): void {
    this.told.push([what[0], what[1]]);
  }
}

/** The promises of `RevocationFeed`. */
export function revocationFeedContract({ make }: UnderTest): readonly ContractCase[] {
  let ports: ContractPorts;
  const open = async () => (ports = await make());
  return collected(open, ({ it }) => {
    const read = async (horizon: bigint | null = null) => {
      const { revocations, ...reading } = await readAll(ports.feed, horizon);
      return {
        ...reading,
        revocations: revocations.map(({ announcedAt: _, position: __, ...revocation }) => revocation),
      };
    };
    const raised = async (userId: string = uuidv7()): Promise<Revocation> => {
      const minVersion = await ports.policies.raiseUserFloor(userId, 'a test', null);
      return { kind: 'user', userId, minVersion };
    };
    const revoked = async (): Promise<Revocation> => {
      const { id } = await ports.sessions.open(newSession());
      await ports.sessions.revoke(id, 'user_logout');
      return { kind: 'session', sessionId: id };
    };

    it('answers the whole policy, with the database’s clock', async () => {
      await ports.policies.raiseGlobalFloor({
        mode: 'drain',
        gracePeriodSeconds: 60,
        reason: 'a test',
        expectedVersion: null,
        by: 1,
      });
      const before = await ports.policies.read();
      const { policy, now } = await read();
      same(policy, before.policy);
      assert.ok(now.getTime() >= before.now.getTime());
      assert.ok(now.getTime() <= (await ports.policies.read()).now.getTime());
    });

    it('makes a policy that is missing', async () => {
      await ports.alterPolicy(null);
      matches((await read()).policy, { globalMinTokenVersion: 1, mode: 'immediate', graceEndsAt: null });
      await ports.alterPolicy(null);
      matches((await read((await read()).horizon)).policy, { globalMinTokenVersion: 1 });
    });

    it('has everything that a living access token could meet, and when it was announced', async () => {
      const start = (await ports.policies.read()).now.getTime();
      const all = [await raised(), await revoked()];
      const { revocations, now } = await readAll(ports.feed, null);
      for (const revocation of all) {
        const found = revocations.find((one) => subjectOf(one) === subjectOf(revocation));
        const { position, ...rest } = found!;
        assert.equal(typeof position, 'bigint');
        same(rest, { ...revocation, announcedAt: A_DATE });
        assert.ok(found!.announcedAt.getTime() >= start);
        assert.ok(found!.announcedAt.getTime() <= now.getTime());
      }
    });

    // Earlier ones may be read again: other transactions of the whole server hold the horizon back.
    it('has what came since a reading', async () => {
      const { horizon } = await read();
      const since = [await raised(), await revoked()];
      includes((await read(horizon)).revocations, since);
    });

    // A cursor of the feed for other services counts them, whichever instance has read them.
    it('places a revocation once, at or after the horizon that a reading from there was given', async () => {
      const { horizon } = await read();
      const since = [await raised(), await revoked()].map(subjectOf);
      const placed = async (from: bigint | null) => {
        const { revocations } = await readAll(ports.feed, from);
        return revocations.filter((one) => since.includes(subjectOf(one))).map(({ position }) => position);
      };
      const first = await placed(horizon);
      assert.equal(first.length, 2);
      for (const position of first) assert.ok(position >= horizon);
      same(await placed(horizon), first);
      same(await placed(null), first);
    });

    it('tells every rise of one floor', async () => {
      const { horizon } = await read();
      const userId = uuidv7();
      const rises = [await raised(userId), await raised(userId)];
      includes((await read(horizon)).revocations, rises);
    });

    it('never takes its horizon down', async () => {
      let { horizon } = await read();
      for (let i = 0; i < 5; i++) {
        await raised();
        const next = (await read(horizon)).horizon;
        assert.ok(next >= horizon);
        horizon = next;
      }
    });

    it('names the server that answers, by the same name each time', async () => {
      const { server, horizon } = await read();
      assert.ok(server.length > 0);
      await raised();
      assert.equal((await read()).server, server);
      assert.equal((await read(horizon)).server, server);
    });

    // The first page's horizon, not the last one's: what commits while pages are read may be in none of them.
    it('has what came since the first page, whatever pages came after', async () => {
      const first = await ports.feed.read(null);
      const since = [await raised(), await revoked()];
      for (let page = first.nextPage; page !== undefined;) page = (await ports.feed.read(null, page)).nextPage;
      includes((await read(first.horizon)).revocations, since);
    });

    it('has nothing that was undone', async () => {
      const { horizon } = await read();
      const undone: Revocation[] = [];
      const unit = ports.unitOfWork.run(async () => {
        undone.push(await raised(), await revoked());
        throw new Error('undone');
      });
      await assert.rejects(unit, /undone/);
      const { revocations } = await read(horizon);
      const subjects = revocations.map(subjectOf);
      for (const revocation of undone) assert.ok(!subjects.includes(subjectOf(revocation)));
    });

    it('tells a watcher of this process what has committed, until it is called off', async () => {
      const watcher = new NotingWatcher();
      const stop = await ports.feed.watch(watcher);
      const inside = gate();
      const finish = gate();
      const unit = ports.unitOfWork.run(async () => {
        const revocations = [await raised(), await revoked()];
        inside.open();
        await finish.opened;
        return revocations;
      });
      await Promise.race([inside.opened, unit]);
      const before = [...watcher.told];
      finish.open();
      const revocations = await unit;
      same(before, []);
      same(
        watcher.told,
        revocations.map((revocation) => [[revocation], undefined]),
      );

      await stop();
      await raised();
      assert.equal(watcher.told.length, 2);
    });

    // Seen red in memory, where an announcement of nothing reached the watchers.
    it('announces what it is given as one, once it has committed, and nothing where there is nothing', async () => {
      const ended: Revocation[] = [
        { kind: 'session', sessionId: uuidv7() },
        { kind: 'user', userId: uuidv7(), minVersion: 2 },
      ];
      const { horizon, policy } = await read();
      const watcher = new NotingWatcher();
      const stop = await ports.feed.watch(watcher);
      const announce = (fails: boolean) =>
        ports.unitOfWork.run(async () => {
          await ports.feed.announce(ended, 'a test', policy);
          await ports.feed.announce([], 'a test');
          same(watcher.told, []);
          if (fails) throw new Error('undone');
        });
      await assert.rejects(announce(true), /undone/);
      same(watcher.told, []);
      await announce(false);
      same(watcher.told, [[ended, policy]]);
      await ports.feed.announce(ended.slice(0, 1), 'a test');
      same(watcher.told[1], [ended.slice(0, 1), undefined]);
      await stop();
      const found = (await read(horizon)).revocations.map(subjectOf);
      const times = ended.map((one) => found.filter((subject) => subject === subjectOf(one)).length);
      same(times, [2, 1]);
    });

    it('forgets nothing that a living access token could meet', async () => {
      const kept = [await raised(), await revoked()];
      await ports.feed.purge(false);
      includes((await read()).revocations, kept);
    });
  });
}
