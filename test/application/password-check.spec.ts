import { Overloaded, PasswordHasher, RateLimits } from '../../src';
import { HostUsers } from '../../src/auth/application/host-users';
import { PasswordCheck } from '../../src/auth/application/password-check';
import { InMemoryStore, InMemoryUserDirectory } from '../../src/testing';

/** Refuses nothing, and keeps what it has counted: `take name key`. */
class RecordedLimits extends RateLimits {
  readonly counted: string[] = [];
  async take(name: string, key: string): Promise<void> {
    this.counted.push(`take ${name} ${key}`);
  }
  async slow(name: string, key: string): Promise<void> {
    this.counted.push(`slow ${name} ${key}`);
  }
  async forget(name: string, key: string): Promise<void> {
    this.counted.push(`forget ${name} ${key}`);
  }
}

class PlainHasher extends PasswordHasher {
  hash = async (password: string): Promise<string> => password;
  verify = async (password: string, hash: string | null): Promise<boolean> => password === hash;
  needsRehash = (): boolean => false;
}

class FullHasher extends PlainHasher {
  override demandRoom(): void {
    throw new Overloaded('full');
  }
}

const checkWith = (hasher: PasswordHasher) => {
  const limits = new RecordedLimits();
  const users = new HostUsers(new InMemoryUserDirectory(new InMemoryStore()));
  return { limits, check: new PasswordCheck(users, hasher, limits) };
};

describe('a password that is given for a login name', () => {
  it('is counted by address, by account and address, and by account alone, which slows down', async () => {
    const { limits, check } = checkWith(new PlainHasher());
    await check.count('Ann@example.com', '198.51.100.7');
    const [account = ''] = limits.counted.at(-1)?.split(' ').slice(2) ?? [];
    expect(account).toMatch(/^[\w-]{43}$/);
    expect(limits.counted).toEqual([
      'take loginPerIp 198.51.100.7',
      `take loginPerAccount ${account} 198.51.100.7`,
      `slow loginAnywhere ${account}`,
    ]);
    await check.count('ann@example.com', null);
    expect(limits.counted.slice(3)).toEqual([`take loginPerAccount ${account} null`, `slow loginAnywhere ${account}`]);
  });

  // Seen red without the question: a flood of names that were never checked left a count each.
  it('leaves no count behind when too many wait to be hashed', async () => {
    const { limits, check } = checkWith(new FullHasher());
    await expect(check.count('ann@example.com', '198.51.100.7')).rejects.toBeInstanceOf(Overloaded);
    expect(limits.counted).toEqual([]);
  });
});
