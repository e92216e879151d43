import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { RefreshTokenKeyRing } from '../../src/auth/domain/refresh-token';
import { isOver, isVerifiedUser, type Verification, VerifiedUserSeal } from '../../src/auth/domain/verified-user';
import { changedTexts } from '../support/changed-texts';

const [rootA, rootB] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const seal = new VerifiedUserSeal([{ id: 7, root: rootA }]);
const one: Verification = {
  userId: '42',
  method: 'password',
  stamps: { tokenVersion: 3, globalVersionAtIssuance: 2 },
  authTime: new Date('2026-01-31T12:00:00.123Z'),
  sessionId: '0190a5c8-7b1a-7cde-8f01-23456789abcd',
};

/** The subkey by RFC 5869 in its two steps, written without it. */
function hkdf(root: Buffer, info: string): Buffer {
  const extracted = createHmac('sha256', Buffer.alloc(32)).update(root).digest();
  return createHmac('sha256', extracted).update(info).update(Buffer.of(1)).digest();
}

/** The same content, sealed by a holder of the key for `purpose`. */
function sealedFor(purpose: string, root = rootA): string {
  const { userId, method, stamps, authTime, sessionId } = one;
  const content = [userId, method, stamps.tokenVersion, stamps.globalVersionAtIssuance, authTime.getTime(), sessionId];
  const signed = Buffer.concat([Buffer.of(7), Buffer.from(JSON.stringify(content))]);
  const mac = createHmac('sha256', hkdf(root, purpose)).update(purpose).update(signed).digest();
  return `vu1_${Buffer.concat([signed, mac]).toString('base64url')}`;
}

describe('A verified user, sealed,', () => {
  it('opens to what was sealed, whatever the id of the user', () => {
    const userId = fc.string({ unit: 'binary', minLength: 1, maxLength: 128 }).filter((text) => text.isWellFormed());
    fc.assert(
      fc.property(
        userId,
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        fc.uuid({ version: 7 }),
        (id, version, sessionId) => {
          const stamps = { tokenVersion: version, globalVersionAtIssuance: 1 };
          const content = { ...one, userId: id, stamps, sessionId };
          const text = seal.seal(content);
          expect(isVerifiedUser(text)).toBe(true);
          expect(seal.open(text)).toEqual(content);
        },
      ),
    );
  });

  it('has the form that another program makes', () => {
    expect(seal.seal(one)).toBe(sealedFor('ratchet vu1 verified user'));
  });

  // Seen red with a MAC of the first half, and without the comparison of the spelling.
  it('is nothing with any one of its characters changed, cut off or added', () => {
    const survivors = [...changedTexts(seal.seal(one), 'vu1_')].filter((text) => seal.open(text) !== null);
    expect(survivors).toEqual([]);
  });

  // Seen red with the refresh token's key in the place of its own.
  it('is nothing when it was sealed for another purpose, or by the keys of another application', () => {
    for (const purpose of ['ratchet rt1 mac', 'ratchet rt1 successor', 'ratchet ot1 reset'])
      expect(seal.open(sealedFor(purpose))).toBeNull();
    expect(seal.open(sealedFor('ratchet vu1 verified user', rootB))).toBeNull();
    const ring = new RefreshTokenKeyRing([{ id: 7, root: rootA }]);
    expect(seal.open(ring.seal(ring.first(one.sessionId)).replace('rt1_', 'vu1_'))).toBeNull();
  });

  it('is sealed by the first key, and opened by every key of the ring', () => {
    const both = new VerifiedUserSeal([
      { id: 8, root: rootB },
      { id: 7, root: rootA },
    ]);
    expect(both.open(seal.seal(one))).toEqual(one);
    expect(seal.open(both.seal(one))).toBeNull();
    expect(() => new VerifiedUserSeal([])).toThrow('At least one');
  });

  // Seen red with `>`.
  it('is over at the moment of its limit', () => {
    const after = (ms: number) => isOver(one, new Date(one.authTime.getTime() + ms));
    expect([after(0), after(599_999), after(600_000)]).toEqual([false, false, true]);
  });
});
