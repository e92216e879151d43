import assert from 'node:assert/strict';
import { Logger } from '@nestjs/common';
import { QueryFailedError } from 'typeorm';
import { matches, same } from './assertions';
import { collected, type ContractCase, type ContractPorts, type UnderTest } from './contract';
import { newSession } from './examples';
import { gate } from './gate';

/** The number of errors that Nest's `Logger` is given while `work` runs. */
async function loggedErrors(work: () => Promise<void>): Promise<number> {
  let logged = 0;
  const original = Object.getOwnPropertyDescriptor(Logger.prototype, 'error')!;
  Logger.prototype.error = () => {
    logged++;
  };
  try {
    await work();
  } finally {
    Object.defineProperty(Logger.prototype, 'error', original);
  }
  return logged;
}

/** The promises of `UnitOfWork`. */
export function unitOfWorkContract({ make }: UnderTest): readonly ContractCase[] {
  let ports: ContractPorts;
  const open = async () => (ports = await make());
  return collected(open, ({ beforeEach, describe, it }) => {
    const isOpen = async (id: string) => (await ports.sessions.findById(id)) !== null;

    it('answers what its work answers, and keeps what it did', async () => {
      const session = newSession();
      assert.equal(
        await ports.unitOfWork.run(async () => {
          await ports.sessions.open(session);
          await ports.policies.raiseUserFloor(session.userId, 'a test', null);
          return 'done';
        }),
        'done',
      );
      assert.equal(await isOpen(session.id), true);
      assert.equal((await ports.policies.floorsOf(session.userId)).floors.userMinTokenVersion, 2);
    });

    it('throws what its work throws, and keeps nothing', async () => {
      const session = newSession();
      const fault = new Error('half-way');
      await assert.rejects(
        ports.unitOfWork.run(async () => {
          await ports.sessions.open(session);
          await ports.policies.raiseUserFloor(session.userId, 'a test', null);
          assert.equal(await isOpen(session.id), true);
          throw fault;
        }),
        (error) => error === fault,
      );
      assert.equal(await isOpen(session.id), false);
      assert.equal((await ports.policies.floorsOf(session.userId)).floors.userMinTokenVersion, 1);
    });

    it('is undone as well by work that throws at once', async () => {
      const fault = new Error('at once');
      await assert.rejects(
        ports.unitOfWork.run(() => {
          throw fault;
        }),
        (error) => error === fault,
      );
    });

    it('is joined by another inside it: both are kept, or neither', async () => {
      const [outer, inner] = [newSession(), newSession()];
      const both = async (fails: boolean) =>
        ports.unitOfWork.run(async () => {
          await ports.sessions.open(outer);
          await ports.unitOfWork.run(async () => {
            assert.equal(await isOpen(outer.id), true);
            await ports.sessions.open(inner);
          });
          if (fails) throw new Error('after the inner one');
        });
      await assert.rejects(both(true), /after the inner one/);
      same([await isOpen(outer.id), await isOpen(inner.id)], [false, false]);
      await both(false);
      same([await isOpen(outer.id), await isOpen(inner.id)], [true, true]);
    });

    it('is undone by a fault of the one inside it', async () => {
      const session = newSession();
      await assert.rejects(
        ports.unitOfWork.run(async () => {
          await ports.sessions.open(session);
          await ports.unitOfWork.run(async () => {
            throw new Error('inside');
          });
        }),
        /inside/,
      );
      assert.equal(await isOpen(session.id), false);
    });

    // Seen red without the look at the transaction: PostgreSQL commits nothing, and says so to nobody.
    it('is undone by a broken constraint even when its work catches the error and goes on', async () => {
      const session = newSession();
      const unit = ports.unitOfWork.run(async () => {
        await ports.sessions.open(session);
        await assert.rejects(ports.sessions.open(session));
        return 'believed to be done';
      });
      await assert.rejects(unit);
      assert.equal(await isOpen(session.id), false);
    });

    it('shows others nothing that it then undoes', async () => {
      const session = newSession();
      const opened = gate();
      const finish = gate();
      const unit = ports.unitOfWork.run(async () => {
        await ports.sessions.open(session);
        opened.open();
        await finish.opened;
        throw new Error('undone');
      });
      await Promise.race([opened.opened, unit]);
      const seen = isOpen(session.id);
      finish.open();
      await assert.rejects(unit, /undone/);
      assert.equal(await seen, false);
    });

    it('does not mix with others at the same time', async () => {
      const sessions = Array.from({ length: 20 }, () => newSession());
      const units = sessions.map((session, i) =>
        ports.unitOfWork.run(async () => {
          await ports.sessions.open(session);
          await ports.policies.raiseUserFloor(session.userId, 'a test', null);
          if (i % 2) throw new Error('undone');
        }),
      );
      const settled = await Promise.allSettled(units);
      same(
        settled.map(({ status }) => status),
        sessions.map((_, i) => (i % 2 ? 'rejected' : 'fulfilled')),
      );
      same(
        await Promise.all(sessions.map(({ id }) => isOpen(id))),
        sessions.map((_, i) => i % 2 === 0),
      );
    });

    describe('afterCommit', () => {
      const effects: string[] = [];
      const effect = (name: string) => ports.unitOfWork.afterCommit(() => effects.push(name));
      beforeEach(() => effects.splice(0));

      it('has its effect at once outside of a unit of work', async () => {
        effect('at once');
        same(effects, ['at once']);
      });

      it('waits for the outermost unit of work, whatever is in between, and keeps the order', async () => {
        await ports.unitOfWork.run(async () => {
          effect('first');
          await ports.unitOfWork.run(async () => effect('second'));
          same(effects, []);
        });
        same(effects, ['first', 'second']);
      });

      // Seen red with the effects called before the transaction's end.
      it('has its effect only once others can see what was committed', async () => {
        const session = newSession();
        const seen = gate();
        let found: Promise<boolean> | undefined;
        await ports.unitOfWork.run(async () => {
          ports.unitOfWork.afterCommit(() => {
            found = isOpen(session.id);
            seen.open();
          });
          await ports.sessions.open(session);
        });
        await seen.opened;
        assert.equal(await found, true);
      });

      it('has none when the unit of work is undone', async () => {
        const unit = ports.unitOfWork.run(async () => {
          effect('never');
          throw new Error('undone');
        });
        await assert.rejects(unit, /undone/);
        same(effects, []);
      });

      // Seen red without the guard: what has committed was answered with a fault, or done again.
      const faults: [name: string, fault: Error][] = [
        ['', new Error('of an effect')],
        [
          ' what a broken transaction throws',
          new QueryFailedError('', [], Object.assign(new Error(), { code: '40001' })),
        ],
      ];
      for (const [what, fault] of faults) {
        it(`changes nothing when it throws${what}: the work was done once, and the other effects are had`, async () => {
          const logged = await loggedErrors(async () => {
            const session = newSession();
            const unit = ports.unitOfWork.run(async () => {
              ports.unitOfWork.afterCommit(() => {
                throw fault;
              });
              effect('the other');
              return ports.sessions.open(session);
            });
            matches(await unit, { id: session.id });
            assert.equal(await isOpen(session.id), true);
            same(effects, ['the other']);
          });
          assert.equal(logged, 1);
        });
      }

      it('is done outside of the unit of work: what it starts is committed on its own', async () => {
        const session = newSession();
        let opening: Promise<unknown> | undefined;
        await ports.unitOfWork.run(async () => {
          ports.unitOfWork.afterCommit(() => {
            opening = ports.sessions.open(session);
          });
        });
        await opening;
        assert.equal(await isOpen(session.id), true);
      });
    });
  });
}
