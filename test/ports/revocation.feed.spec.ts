import { v7 as uuidv7 } from 'uuid';
import type { Revocation, RevocationWatcher, SecurityPolicy } from '../../src';
import { gate } from '../support/gate';
import { adapters, newSession, type Ports } from './adapters';

/** Notes what it is told. */
class NotingWatcher implements RevocationWatcher {
  readonly told: [readonly Revocation[], SecurityPolicy | undefined][] = [];
  hint(): void {}
  reset(): void {}
  committed(...what: [readonly Revocation[], SecurityPolicy?]): void {
    this.told.push([what[0], what[1]]);
  }
}

describe.each(adapters)('the feed of revocations %s', (_name, make) => {
  let ports: Ports;

  beforeAll(async () => {
    ports = await make();
  });
  afterAll(() => ports.close());

  const read = async (horizon: bigint | null = null) => {
    const { revocations, ...reading } = await ports.feed.read(horizon);
    return { ...reading, revocations: revocations.map(({ announcedAt: _, ...revocation }) => revocation) };
  };
  const raised = async (userId: string = uuidv7()): Promise<Revocation> => {
    const minVersion = await ports.policies.raiseUserFloor(userId, 'a test');
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
    expect(policy).toEqual(before.policy);
    expect(now.getTime()).toBeGreaterThanOrEqual(before.now.getTime());
    expect(now.getTime()).toBeLessThanOrEqual((await ports.policies.read()).now.getTime());
  });

  it('makes a policy that is missing', async () => {
    await ports.alterPolicy(null);
    expect((await read()).policy).toMatchObject({ globalMinTokenVersion: 1, mode: 'immediate', graceEndsAt: null });
    await ports.alterPolicy(null);
    expect((await read((await read()).horizon)).policy).toMatchObject({ globalMinTokenVersion: 1 });
  });

  it('has everything that a living access token could meet, and when it was announced', async () => {
    const start = (await ports.policies.read()).now.getTime();
    const all = [await raised(), await revoked()];
    const { revocations, now } = await ports.feed.read(null);
    for (const revocation of all) {
      const found = revocations.find(
        (one) => ('userId' in one ? one.userId : one.sessionId) === Object.values(revocation)[1],
      );
      expect(found).toEqual({ ...revocation, announcedAt: expect.any(Date) });
      expect(found!.announcedAt.getTime()).toBeGreaterThanOrEqual(start);
      expect(found!.announcedAt.getTime()).toBeLessThanOrEqual(now.getTime());
    }
  });

  // What came before may come again: other transactions of the whole server hold the horizon back.
  it('has what came since a reading', async () => {
    const { horizon } = await read();
    const since = [await raised(), await revoked()];
    expect((await read(horizon)).revocations).toEqual(expect.arrayContaining(since));
  });

  it('tells every rise of one floor', async () => {
    const { horizon } = await read();
    const userId = uuidv7();
    const rises = [await raised(userId), await raised(userId)];
    expect((await read(horizon)).revocations).toEqual(expect.arrayContaining(rises));
  });

  it('never takes its horizon down', async () => {
    let { horizon } = await read();
    for (let i = 0; i < 5; i++) {
      await raised();
      const next = (await read(horizon)).horizon;
      expect(next).toBeGreaterThanOrEqual(horizon);
      horizon = next;
    }
  });

  it('has nothing that was undone', async () => {
    const { horizon } = await read();
    const undone: Revocation[] = [];
    const unit = ports.unitOfWork.run(async () => {
      undone.push(await raised(), await revoked());
      throw new Error('undone');
    });
    await expect(unit).rejects.toThrow('undone');
    const { revocations } = await read(horizon);
    for (const revocation of undone) expect(revocations).not.toContainEqual(revocation);
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
    await inside.opened;
    expect(watcher.told).toEqual([]);
    finish.open();
    const revocations = await unit;
    expect(watcher.told).toEqual(revocations.map((revocation) => [[revocation], undefined]));

    await stop();
    await raised();
    expect(watcher.told).toHaveLength(2);
  });

  it('forgets nothing that a living access token could meet', async () => {
    const kept = [await raised(), await revoked()];
    await ports.feed.purge(false);
    expect((await read()).revocations).toEqual(expect.arrayContaining(kept));
  });
});
