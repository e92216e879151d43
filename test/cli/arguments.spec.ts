import { sessionId, userIdOf } from '../../src/cli/arguments';

const ID = '01980000-0000-7000-8000-00000000abcd';

// Seen red with ids as they were written: locks and the revocations in memory know one spelling.
it('ids are taken in capitals and go on in lower case', async () => {
  expect(sessionId(ID.toUpperCase())).toBe(ID);
  expect(await userIdOf({} as never, ID.toUpperCase())).toBe(ID);
});
