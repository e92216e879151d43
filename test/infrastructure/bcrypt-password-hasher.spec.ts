import bcrypt from 'bcrypt';
import { AuthOptions, Overloaded } from '../../src';
import { BcryptPasswordHasher, decoyHash } from '../../src/auth/infrastructure/bcrypt/bcrypt-password-hasher';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';

class RecordedDepths extends NoMetrics {
  readonly depths: number[] = [];
  override hashQueue(depth = 0): void {
    this.depths.push(depth);
  }
}

const hasherWith = (options: Partial<AuthOptions> = {}, metrics = new RecordedDepths()) =>
  new BcryptPasswordHasher({ bcryptCost: 4, hashQueueLimit: 64, ...options } as AuthOptions, metrics);

describe('BcryptPasswordHasher', () => {
  it('verifies the password that made a hash, and no other', async () => {
    const hasher = hasherWith();
    const stored = await hasher.hash('correct horse battery');
    await expect(hasher.verify('correct horse battery', stored)).resolves.toBe(true);
    await expect(hasher.verify('correct horse batterY', stored)).resolves.toBe(false);
  });

  it('knows a password however its characters were typed', async () => {
    const hasher = hasherWith();
    const stored = await hasher.hash('cafe\u0301 ｏｌｅ');
    await expect(hasher.verify('caf\u00e9 ole', stored)).resolves.toBe(true);
  });

  it('never verifies more than 72 bytes, although bcrypt would by their beginning', async () => {
    const hasher = hasherWith();
    const stored = await bcrypt.hash('k'.repeat(72), 4);
    await expect(hasher.verify('k'.repeat(72), stored)).resolves.toBe(true);
    await expect(hasher.verify('k'.repeat(73), stored)).resolves.toBe(false);
  });

  it('does not hash what bcrypt would cut', async () => {
    await expect(hasherWith().hash('k'.repeat(73))).rejects.toThrow(RangeError);
    await expect(hasherWith().hash('漢'.repeat(25))).rejects.toThrow(RangeError);
  });

  it('is false for an unknown account', async () => {
    await expect(hasherWith().verify('anything at all', null)).resolves.toBe(false);
  });

  // Seen red with one comparison each: an account whose hash cost less was known by the time that it did not take.
  it.each([
    ['an unknown account', null],
    ['a wrong password', decoyHash(6)],
    ['a hash that cost less', decoyHash(4)],
    ['an empty hash', ''],
    ['a hash of another kind', '$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g'],
    ['a hash that was cut', decoyHash(6).slice(0, 40)],
  ])('does the work of the configured cost for %s', async (_, stored) => {
    const compare = jest.spyOn(bcrypt, 'compare');
    await expect(hasherWith({ bcryptCost: 6 }).verify('anything at all', stored)).resolves.toBe(false);
    const work = compare.mock.calls.map(([, compared]) => 2 ** bcrypt.getRounds(compared));
    compare.mockRestore();
    expect(work.reduce((sum, one) => sum + one)).toBe(2 ** 6);
  });

  it('has a decoy that bcrypt works on to the end: it accepts the salt, and finds another digest', async () => {
    const decoy = decoyHash(4);
    const computed = await bcrypt.hash('anything at all', decoy.slice(0, 29));
    expect(computed.slice(0, 29)).toBe(decoy.slice(0, 29));
    expect(computed).toHaveLength(decoy.length);
    expect(computed).not.toBe(decoy);
  });

  it('asks for a rehash of what cost less than is configured, and of nothing else', () => {
    const hasher = hasherWith({ bcryptCost: 11 });
    expect(hasher.needsRehash(decoyHash(10))).toBe(true);
    expect(hasher.needsRehash(decoyHash(11))).toBe(false);
    expect(hasher.needsRehash(decoyHash(12))).toBe(false);
  });

  it('lets only the configured number wait: the rest is overloaded at once, and the others are all served', async () => {
    const metrics = new RecordedDepths();
    const hasher = hasherWith({ hashQueueLimit: 3 }, metrics);
    const answers = await Promise.allSettled(Array.from({ length: 20 }, () => hasher.verify('a password', null)));
    const refused = answers.filter((answer) => answer.status === 'rejected');
    const running = answers.length - refused.length - 3;
    expect(running).toBeGreaterThanOrEqual(2);
    expect(running).toBeLessThanOrEqual(3);
    for (const { reason } of refused) {
      expect(reason).toBeInstanceOf(Overloaded);
      expect((reason as Overloaded).retryAfterSeconds).toBeGreaterThanOrEqual(1);
    }
    expect(Math.max(...metrics.depths)).toBe(3);
    expect(metrics.depths.at(-1)).toBe(0);
    await expect(hasher.verify('a password', null)).resolves.toBe(false);
  });

  it('says that there is room until its queue is full, and again after that', async () => {
    const hasher = hasherWith({ hashQueueLimit: 1 });
    const hashes = [];
    for (;;) {
      try {
        hasher.demandRoom();
      } catch (error) {
        expect(error).toBeInstanceOf(Overloaded);
        break;
      }
      hashes.push(hasher.hash('a password'));
      await Promise.resolve();
    }
    expect(hashes.length).toBeGreaterThanOrEqual(3);
    await Promise.all(hashes);
    expect(() => hasher.demandRoom()).not.toThrow();
  });

  it('keeps its places when hashing fails', async () => {
    const hasher = hasherWith({ hashQueueLimit: 1 });
    for (let i = 0; i < 10; i++) await expect(hasher.hash(7 as never)).rejects.toThrow();
    await expect(hasher.hash('a password').then((stored) => hasher.verify('a password', stored))).resolves.toBe(true);
  });
});
