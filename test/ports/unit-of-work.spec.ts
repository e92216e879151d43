import { Logger } from '@nestjs/common';
import { QueryFailedError } from 'typeorm';
import { gate } from '../support/gate';
import { adapters, newSession, type Ports } from './adapters';

describe.each(adapters)('a unit of work %s', (_name, make) => {
  let ports: Ports;

  beforeAll(async () => {
    ports = await make();
  });
  afterAll(() => ports.close());

  const isOpen = async (id: string) => (await ports.sessions.findById(id)) !== null;

  it('answers what its work answers, and keeps what it did', async () => {
    const session = newSession();
    expect(
      await ports.unitOfWork.run(async () => {
        await ports.sessions.open(session);
        await ports.policies.raiseUserFloor(session.userId, 'a test');
        return 'done';
      }),
    ).toBe('done');
    expect(await isOpen(session.id)).toBe(true);
    expect((await ports.policies.floorsOf(session.userId)).floors.userMinTokenVersion).toBe(2);
  });

  it('throws what its work throws, and keeps nothing', async () => {
    const session = newSession();
    const fault = new Error('half-way');
    await expect(
      ports.unitOfWork.run(async () => {
        await ports.sessions.open(session);
        await ports.policies.raiseUserFloor(session.userId, 'a test');
        expect(await isOpen(session.id)).toBe(true);
        throw fault;
      }),
    ).rejects.toBe(fault);
    expect(await isOpen(session.id)).toBe(false);
    expect((await ports.policies.floorsOf(session.userId)).floors.userMinTokenVersion).toBe(1);
  });

  it('is undone as well by work that throws at once', async () => {
    const fault = new Error('at once');
    await expect(
      ports.unitOfWork.run(() => {
        throw fault;
      }),
    ).rejects.toBe(fault);
  });

  it('is joined by another inside it: both are kept, or neither', async () => {
    const [outer, inner] = [newSession(), newSession()];
    const both = async (fails: boolean) =>
      ports.unitOfWork.run(async () => {
        await ports.sessions.open(outer);
        await ports.unitOfWork.run(async () => {
          expect(await isOpen(outer.id)).toBe(true);
          await ports.sessions.open(inner);
        });
        if (fails) throw new Error('after the inner one');
      });
    await expect(both(true)).rejects.toThrow('after the inner one');
    expect([await isOpen(outer.id), await isOpen(inner.id)]).toEqual([false, false]);
    await both(false);
    expect([await isOpen(outer.id), await isOpen(inner.id)]).toEqual([true, true]);
  });

  it('is undone by a fault of the one inside it', async () => {
    const session = newSession();
    await expect(
      ports.unitOfWork.run(async () => {
        await ports.sessions.open(session);
        await ports.unitOfWork.run(async () => {
          throw new Error('inside');
        });
      }),
    ).rejects.toThrow('inside');
    expect(await isOpen(session.id)).toBe(false);
  });

  // Seen red without the look at the transaction: PostgreSQL commits nothing, and says so to nobody.
  it('is undone by a broken constraint even when its work catches the error and goes on', async () => {
    const session = newSession();
    const unit = ports.unitOfWork.run(async () => {
      await ports.sessions.open(session);
      await expect(ports.sessions.open(session)).rejects.toThrow();
      return 'believed to be done';
    });
    await expect(unit).rejects.toThrow();
    expect(await isOpen(session.id)).toBe(false);
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
    await opened.opened;
    const seen = isOpen(session.id);
    finish.open();
    await expect(unit).rejects.toThrow('undone');
    expect(await seen).toBe(false);
  });

  it('does not mix with others at the same time', async () => {
    const sessions = Array.from({ length: 20 }, () => newSession());
    const units = sessions.map((session, i) =>
      ports.unitOfWork.run(async () => {
        await ports.sessions.open(session);
        await ports.policies.raiseUserFloor(session.userId, 'a test');
        if (i % 2) throw new Error('undone');
      }),
    );
    const settled = await Promise.allSettled(units);
    expect(settled.map(({ status }) => status)).toEqual(sessions.map((_, i) => (i % 2 ? 'rejected' : 'fulfilled')));
    expect(await Promise.all(sessions.map(({ id }) => isOpen(id)))).toEqual(sessions.map((_, i) => i % 2 === 0));
  });

  describe('afterCommit', () => {
    const effects: string[] = [];
    const effect = (name: string) => ports.unitOfWork.afterCommit(() => effects.push(name));
    beforeEach(() => effects.splice(0));

    it('has its effect at once outside of a unit of work', () => {
      effect('at once');
      expect(effects).toEqual(['at once']);
    });

    it('waits for the outermost unit of work, whatever is in between, and keeps the order', async () => {
      await ports.unitOfWork.run(async () => {
        effect('first');
        await ports.unitOfWork.run(async () => effect('second'));
        expect(effects).toEqual([]);
      });
      expect(effects).toEqual(['first', 'second']);
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
      expect(await found).toBe(true);
    });

    it('has none when the unit of work is undone', async () => {
      const unit = ports.unitOfWork.run(async () => {
        effect('never');
        throw new Error('undone');
      });
      await expect(unit).rejects.toThrow('undone');
      expect(effects).toEqual([]);
    });

    // Seen red without the guard: what has committed was answered with a fault, or done again.
    it.each([new Error('of an effect'), new QueryFailedError('', [], Object.assign(new Error(), { code: '40001' }))])(
      'changes nothing when it throws: the work was done once, and the other effects are had',
      async (fault) => {
        const told = jest.spyOn(Logger.prototype, 'error').mockImplementation();
        const session = newSession();
        const unit = ports.unitOfWork.run(async () => {
          ports.unitOfWork.afterCommit(() => {
            throw fault;
          });
          effect('the other');
          return ports.sessions.open(session);
        });
        expect(await unit).toMatchObject({ id: session.id });
        expect(await isOpen(session.id)).toBe(true);
        expect(effects).toEqual(['the other']);
        expect(told).toHaveBeenCalledTimes(1);
        told.mockRestore();
      },
    );

    it('is done outside of the unit of work: what it starts is committed on its own', async () => {
      const session = newSession();
      let opening: Promise<unknown> | undefined;
      await ports.unitOfWork.run(async () => {
        ports.unitOfWork.afterCommit(() => {
          opening = ports.sessions.open(session);
        });
      });
      await opening;
      expect(await isOpen(session.id)).toBe(true);
    });
  });
});
