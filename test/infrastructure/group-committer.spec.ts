import { AsyncLocalStorage } from 'node:async_hooks';
import fc from 'fast-check';
import { Attempt, type AuthEvent, LogoutAttempted, LogoutFailed, Overloaded } from '../../src';
import { GroupCommitter } from '../../src/auth/infrastructure/events/group-committer';
import { gate } from '../support/gate';

type Batch = readonly AuthEvent[];

/** The two events of one call. */
function record(): AuthEvent[] {
  const attempt = new Attempt({}, new Date());
  return [new LogoutAttempted(attempt.beginning({})), new LogoutFailed(attempt.ending({}), 'token_invalid')];
}
const records = (count: number) => Array.from({ length: count }, record);

/** A database that keeps what it is given, batch by batch, until `write` says otherwise. */
function committer(write: (batch: Batch) => unknown = () => undefined, deadlineMs = 5_000) {
  const batches: Batch[] = [];
  const depths: number[] = [];
  const sizes: number[] = [];
  const group = new GroupCommitter(
    async (batch) => {
      await write(batch);
      batches.push(batch);
      return batch;
    },
    deadlineMs,
    { queue: (depth) => depths.push(depth), batch: (size) => sizes.push(size) },
  );
  return { group, batches, depths, sizes };
}

/** Fails as PostgreSQL does when a batch holds one of the `poisoned` events. */
const refusing = (poisoned: ReadonlySet<AuthEvent>, error: () => unknown) => (batch: Batch) => {
  if (batch.some((event) => poisoned.has(event))) throw error();
};

describe('the group committer', () => {
  it('stores a single call at once, and answers what was stored', async () => {
    const { group, batches } = committer();
    const events = record();
    expect(await group.add(events)).toEqual(events);
    expect(batches).toEqual([events]);
  });

  it('answers each call the events of its own that were stored by it', async () => {
    const [known, fresh] = [record(), record()];
    const group = new GroupCommitter(async (batch) => batch.filter((event) => event !== known[1]), 5_000, {
      queue: () => undefined,
      batch: () => undefined,
    });
    expect(await Promise.all([group.add(known), group.add(fresh)])).toEqual([[known[0]], fresh]);
  });

  it('lets the calls that come during one insert share the next, in their order', async () => {
    const first = gate();
    const { group, batches, depths, sizes } = committer(() => first.opened);
    const calls = records(21);
    const stored = calls.map((events) => group.add(events));
    first.open();
    expect(await Promise.all(stored)).toEqual(calls);
    expect(batches).toEqual([calls[0], calls.slice(1).flat()]);
    expect(sizes).toEqual([1, 20]);
    expect([Math.max(...depths), depths.at(-1)]).toEqual([20, 0]);
  });

  it('never splits a call between two inserts, and limits an insert to 500 calls', async () => {
    const first = gate();
    const { group, batches, sizes } = committer(() => first.opened);
    const calls = records(1_201);
    const stored = Promise.all(calls.map((events) => group.add(events)));
    first.open();
    await stored;
    expect(sizes).toEqual([1, 500, 500, 200]);
    expect(batches.map(({ length }) => length)).toEqual([2, 1_000, 1_000, 400]);
    expect(batches.flat()).toEqual(calls.flat());
  });

  // Seen red without the split.
  it.each([
    ['as the driver throws it', () => Object.assign(new Error('a NUL'), { code: '22021' })],
    ['as TypeORM wraps it', () => ({ driverError: { code: '22P05' } })],
  ])('lets a record that the database cannot hold fail alone: %s', async (_how, error) => {
    const positions = fc.uniqueArray(fc.nat({ max: 29 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(positions, async (poisonedAt) => {
        const calls = records(30);
        const poisoned = new Set(poisonedAt.map((at) => calls[at]![1]!));
        const { group, batches } = committer(refusing(poisoned, error));
        const settled = await Promise.allSettled(calls.map((events) => group.add(events)));
        settled.forEach((outcome, at) => {
          if (poisonedAt.includes(at)) {
            expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(Overloaded) });
          } else {
            expect(outcome).toEqual({ status: 'fulfilled', value: calls[at] });
          }
        });
        expect(batches.flat()).toEqual(calls.filter((_, at) => !poisonedAt.includes(at)).flat());
      }),
    );
  });

  it('fails the whole batch for any other reason, tells the cause, and goes on with the next', async () => {
    const first = gate();
    const lost = Object.assign(new Error('connection lost'), { code: '08006' });
    let down = true;
    let inserts = 0;
    const { group, batches } = committer(async () => {
      inserts++;
      await first.opened;
      if (down) throw lost;
    });
    const calls = records(10).map((events) => group.add(events));
    first.open();
    for (const call of await Promise.allSettled(calls)) {
      expect(call).toMatchObject({ status: 'rejected', reason: { cause: lost, retryAfterSeconds: 1 } });
      expect((call as PromiseRejectedResult).reason).toBeInstanceOf(Overloaded);
    }
    expect(inserts).toBe(2); // a database in trouble is not asked ten times
    down = false;
    const events = record();
    expect(await group.add(events)).toEqual(events);
    expect(batches).toEqual([events]);
  });

  // Seen red with the given-up call left in the queue.
  it('gives up a call at its deadline, and does not store it afterwards', async () => {
    const stuck = gate();
    let inserts = 0;
    const { group, batches } = committer(() => ++inserts <= 2 && stuck.opened, 20);
    // The first alone, then as many as one insert takes, and one that none is left for in time.
    const calls = records(502);
    for (const call of await Promise.allSettled(calls.map((events) => group.add(events)))) {
      expect(call).toMatchObject({ status: 'rejected', reason: expect.any(Overloaded) });
    }

    const events = record();
    expect(await group.add(events)).toEqual(events);
    expect(batches).toEqual([events]);
    stuck.open();
  });

  // Seen red without a deadline for the insert.
  it('goes on without an insert that never ends: whoever came during it is stored in time', async () => {
    let inserts = 0;
    const { group, batches } = committer(() => ++inserts === 1 && new Promise(() => undefined), 200);
    const stuck = group.add(record());
    const failed = expect(stuck).rejects.toBeInstanceOf(Overloaded);
    const others = records(3);
    expect(await Promise.all(others.map((events) => group.add(events)))).toEqual(others);
    await failed;
    expect(batches).toEqual([others.flat()]);
    await group.drained();
  });

  it('turns calls away at once when 10,000 wait', async () => {
    const first = gate();
    const { group, batches } = committer(() => first.opened);
    const accepted = records(10_001).map((events) => group.add(events));
    await expect(group.add(record())).rejects.toBeInstanceOf(Overloaded);
    first.open();
    await Promise.all(accepted);
    expect(batches.flat()).toHaveLength(20_002);
    const events = record();
    expect(await group.add(events)).toEqual(events);
  });

  // Seen red without the resource: the insert would run in its first caller's transaction.
  it('stores outside its callers’ contexts', async () => {
    const transaction = new AsyncLocalStorage<string>();
    const first = gate();
    const contexts: unknown[] = [];
    const { group } = committer(async () => {
      contexts.push(transaction.getStore());
      await first.opened;
      contexts.push(transaction.getStore());
    });
    const calls = ['one', 'two', 'three'].map((name) => transaction.run(name, () => group.add(record())));
    first.open();
    await Promise.all(calls);
    await transaction.run('four', () => group.add(record()));
    expect(contexts).toEqual(Array(6).fill(undefined));
  });

  it('is drained when all that waited is stored', async () => {
    const first = gate();
    const { group, batches } = committer(() => first.opened);
    await group.drained();
    const calls = Promise.all(records(3).map((events) => group.add(events)));
    const drained = group.drained();
    first.open();
    await drained;
    expect(batches.flat()).toHaveLength(6);
    await calls;
  });
});
