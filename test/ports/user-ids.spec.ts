import { v7 as uuidv7 } from 'uuid';
import { Attempt, LogoutSucceeded } from '../../src';
import { adapters, newSession, type Ports, refreshRecord, nextToken } from './adapters';

const IDS = [
  ['a number', '42'],
  ['a cuid', 'clh3x0q1a0000qzrmn831i7rn'],
  ['an ObjectId', '507f1f77bcf86cd799439011'],
  ['a UUID', '0199aaaa-0000-7000-8000-000000000001'],
  ['a UUID in capitals', '0199AAAA-0000-7000-8000-000000000001'],
  ['a text with a quote', `O'Neill "the\\rest"`],
  ['a text of 128 letters', 'ö'.repeat(128)],
] as const;

describe.each(adapters)('%s', (_, open) => {
  let ports: Ports;
  beforeAll(async () => {
    ports = await open();
  });
  afterAll(() => ports.close());

  // Seen red with uuid columns, and with an id in lower case.
  it.each(IDS)('keeps %s as the id of a user, to the letter', async (_, userId) => {
    const session = await ports.sessions.open(newSession({ userId }));
    expect(session.userId).toBe(userId);
    const reading = await ports.sessions.findForRefresh(session.id);
    expect(reading?.session.userId).toBe(userId);
    expect(await ports.sessions.rotate(session, nextToken(session), refreshRecord(session))).toBe(true);
    expect((await ports.sessions.findLiveOfUser(userId)).map(({ id }) => id)).toEqual([session.id]);
    // Beside the UUID in capitals there is the one in lower case, another user's.
    expect((await ports.log.find({ userId }, 10)).map(({ sessionId }) => sessionId)).toEqual([session.id, session.id]);

    await ports.unitOfWork.run(() => ports.sessions.lockUser(userId));
    expect(await ports.policies.raiseUserFloor(userId, 'test')).toBe(2);
    expect((await ports.policies.floorsOf(userId)).floors.userMinTokenVersion).toBe(2);
    const { revocations } = await ports.feed.read(null);
    expect(revocations).toContainEqual(expect.objectContaining({ kind: 'user', userId, minVersion: 2 }));

    expect(await ports.sessions.revokeAllOfUser(userId, 'user_logout_all')).toEqual([session.id]);
    const end = new LogoutSucceeded(new Attempt({}, new Date()).ending({ userId, sessionId: uuidv7() }), 1);
    await ports.log.append([end]);
    expect(await ports.log.find({ userId, type: LogoutSucceeded.type }, 10)).toMatchObject([{ userId }]);
  });
});
