import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { Attempt, LogoutSucceeded } from '../../index';
import { includes, matches, same } from './assertions';
import { collected, type ContractCase, type ContractPorts, type UnderTest } from './contract';
import { newSession, nextToken, readAll, refreshRecord } from './examples';

const KINDS: readonly [kind: string, newId: () => string][] = [
  ['a number', () => String(randomInt(2 ** 31))],
  ['a cuid', () => `c${randomBytes(12).toString('hex')}`],
  ['an ObjectId', () => randomBytes(12).toString('hex')],
  ['a UUID', () => uuidv7()],
  ['a UUID in capitals', () => uuidv7().toUpperCase()],
  ['a text with a quote', () => `O'Neill "the\\rest" ${randomBytes(4).toString('hex')}`],
  ['a text of 128 letters', () => randomBytes(8).toString('hex').padEnd(128, 'ö')],
];

/** What all ports promise of the ids of users: any text of 1 to 128 characters, and no other spelling of it. */
export function userIdsContract({ make }: UnderTest): readonly ContractCase[] {
  let ports: ContractPorts;
  const open = async () => (ports = await make());
  return collected(open, ({ it }) => {
    // Seen red with uuid columns, and with an id in lower case.
    for (const [kind, newId] of KINDS) {
      it(`keeps ${kind} as the id of a user, to the letter`, async () => {
        const userId = newId();
        // Another user's.
        const inOtherCase = userId === userId.toLowerCase() ? userId.toUpperCase() : userId.toLowerCase();
        if (inOtherCase !== userId) {
          const session = await ports.sessions.open(newSession({ userId: inOtherCase }));
          assert.equal(await ports.sessions.rotate(session, nextToken(session), refreshRecord(session)), true);
          await ports.policies.raiseUserFloor(inOtherCase, 'test', null);
        }

        const session = await ports.sessions.open(newSession({ userId }));
        assert.equal(session.userId, userId);
        const reading = await ports.sessions.findForRefresh(session.id);
        assert.equal(reading?.session.userId, userId);
        assert.equal(await ports.sessions.rotate(session, nextToken(session), refreshRecord(session)), true);
        same(
          (await ports.sessions.findLiveOfUser(userId, 10)).items.map(({ id }) => id),
          [session.id],
        );
        same(
          (await ports.log.find({ userId }, 10)).items.map(({ sessionId }) => sessionId),
          [session.id, session.id],
        );

        await ports.unitOfWork.run(() => ports.sessions.lockUser(userId));
        assert.equal(await ports.policies.raiseUserFloor(userId, 'test', null), 2);
        assert.equal((await ports.policies.floorsOf(userId)).floors.userMinTokenVersion, 2);
        const { revocations } = await readAll(ports.feed, null);
        const announced = revocations.map(({ announcedAt: _, position: __, ...revocation }) => revocation);
        includes(announced, [{ kind: 'user', userId, minVersion: 2 }]);

        await ports.policies.raiseUserFloor(userId, 'user_logout_all', 'user_logout_all');
        assert.equal(await ports.sessions.markEnded(userId), 1);
        const end = new LogoutSucceeded(new Attempt({}, new Date()).ending({ userId, sessionId: uuidv7() }), 1);
        await ports.log.append([end]);
        matches((await ports.log.find({ userId, type: LogoutSucceeded.type }, 10)).items, [{ userId }]);
      });
    }
  });
}
