import { UserDirectory } from '../../src';
import { sessionId, user, userIdOf } from '../../src/cli/arguments';
import { InMemoryStore, InMemoryUserDirectory } from '../../src/testing';

const ID = '01980000-0000-7000-8000-00000000abcd';

// Seen red with ids as they were written: locks and the revocations in memory know one spelling.
it('ids of sessions are taken in capitals, and passed on in lower case', () => {
  expect(sessionId(ID.toUpperCase())).toBe(ID);
});

describe('an id of a user', () => {
  const { id, email } = { id: 'Ann', email: 'ann@example.com' };
  class AnyCase extends InMemoryUserDirectory {
    override findById(given: string) {
      return super.findById(given.toLowerCase() === id.toLowerCase() ? id : given);
    }
  }
  const directory = new AnyCase(new InMemoryStore());
  const app = { get: (token: unknown) => (token === UserDirectory ? directory : undefined) } as never;
  beforeAll(() => directory.add({ id, email, roles: [], isActive: true, passwordHash: 'none' }));

  it('is spelled as the directory spells it, and that of an e-mail likewise', async () => {
    expect(await userIdOf(app, 'ANN')).toBe(id);
    expect(await userIdOf(app, ' Ann@Example.com')).toBe(id);
  });

  it('is taken as it is where the directory has no such user, and never changed', async () => {
    expect(await userIdOf(app, ID.toUpperCase())).toBe(ID.toUpperCase());
  });

  it.each(['', 'a\nb', 'x'.repeat(129)])('is no %j', (written) => {
    expect(() => user(written)).toThrow('It must be an e-mail or an id, which must');
  });
});
