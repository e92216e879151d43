import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import {
  digestOf,
  hasRefreshTokenPrefix,
  newSuccessorNonce,
  type RefreshToken,
  RefreshTokenKeyRing,
  retryKeyHashOf,
  RETRY_KEY_PATTERN,
  UnknownRefreshTokenKey,
} from '../../src/auth/domain/refresh-token';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const range = (from: number, to: number) => Buffer.from(Array.from({ length: to - from }, (_, i) => from + i));

const rootA = range(0, 32);
const rootB = range(32, 64);
const ring = new RefreshTokenKeyRing([{ id: 7, root: rootA }]);
const sessionId = '0190a5c8-7b1a-7cde-8f01-23456789abcd';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((b) => Buffer.from(b));
const tokens = fc.record({
  keyId: fc.constant(7),
  sessionId: fc.uuid({ version: 7 }),
  generation: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
  secret: bytes(32),
});

/** The key ring's subkeys by RFC 5869 in its two steps, written without it. */
function hkdf(root: Buffer, info: string): Buffer {
  const extracted = createHmac('sha256', Buffer.alloc(32)).update(root).digest();
  return createHmac('sha256', extracted).update(info).update(Buffer.of(1)).digest();
}

/** Any bytes, sealed as the key's holder could. */
function sealed(signed: Buffer, root = rootA): string {
  const mac = createHmac('sha256', hkdf(root, 'ratchet rt1 mac')).update('ratchet rt1 mac').update(signed).digest();
  return `rt1_${Buffer.concat([signed, mac.subarray(0, 16)]).toString('base64url')}`;
}

describe('a refresh token', () => {
  const token: RefreshToken = { keyId: 7, sessionId, generation: 258, secret: range(64, 96) };
  const nonce = range(0xa0, 0xb0);
  const published = 'rt1_BwGQpch7GnzejwEjRWeJq80AAAECQEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8vJIvXRE31qvFKnwWqd_pS';
  const successor = 'rt1_BwGQpch7GnzejwEjRWeJq80AAAEDmADJPCuLqc5cP3Zkbekak4tke3Yxrjv7twCWYGDxGJOVM8MzhuCvoND3pZH-9eVE';

  it('has the published form: with it every token that is out there stays valid', () => {
    // Both strings come from another program, written from the format's description.
    expect(ring.seal(token)).toBe(published);
    expect(ring.seal(ring.successor(token, nonce))).toBe(successor);
    expect(digestOf(ring.successor(token, nonce)).toString('hex')).toBe(
      'd4e8d88f6600faad7e1390f006a43aa3dba36c55bc024f81c148bf8e1983260e',
    );
  });

  it('opens to what was sealed, and has 96 characters', () => {
    fc.assert(
      fc.property(tokens, (one) => {
        const text = ring.seal(one);
        expect(text).toMatch(/^rt1_[A-Za-z0-9_-]{92}$/);
        expect(ring.open(text)).toEqual(one);
      }),
    );
  });

  it('holds the bytes of the key id, the session, the generation and the secret at their places', () => {
    fc.assert(
      fc.property(tokens, (one) => {
        const generation = Buffer.from(one.generation.toString(16).padStart(8, '0'), 'hex');
        const session = Buffer.from(one.sessionId.replaceAll('-', ''), 'hex');
        expect(ring.seal(one)).toBe(sealed(Buffer.concat([Buffer.of(7), session, generation, one.secret])));
      }),
    );
  });

  // Seen red without the comparison of the MACs.
  it('is nothing any more with any one of its characters changed', () => {
    const survivors: string[] = [];
    for (let at = 0; at < published.length; at++) {
      for (const character of `${ALPHABET}+/= \n.~`) {
        if (character === published[at]) continue;
        const mutant = published.slice(0, at) + character + published.slice(at + 1);
        if (ring.open(mutant) !== null) survivors.push(mutant);
      }
    }
    expect(survivors).toEqual([]);
  });

  it('is recognised by its prefix, before anything of it is verified', () => {
    expect(['rt1_junk', 'rt2_junk', 'junk_rt1_'].map(hasRefreshTokenPrefix)).toEqual([true, false, false]);
  });

  it('is nothing any more when it is cut or continued', () => {
    for (let length = 0; length < published.length; length++) {
      expect(ring.open(published.slice(0, length))).toBeNull();
      expect(ring.open(published.slice(published.length - length))).toBeNull();
    }
    for (const character of `${ALPHABET}+/= \n\r\t\0.`) {
      expect(ring.open(published + character)).toBeNull();
      expect(ring.open(character + published)).toBeNull();
    }
    expect(ring.open(published + published)).toBeNull();
    expect(ring.open(`${published}\n${published}`)).toBeNull();
  });

  it.each([
    ['with padding', (text: string) => `${text}==`],
    ['in the alphabet of plain base64', (text: string) => text.replaceAll('-', '+').replaceAll('_', '/')],
    ['with the prefix kept', (text: string) => `rt1_${text.slice(4).replaceAll('-', '+').replaceAll('_', '/')}`],
    ['with a space before it', (text: string) => ` ${text}`],
    ['with a line break behind it', (text: string) => `${text}\r\n`],
    ['with a line break inside', (text: string) => `${text.slice(0, 50)}\n${text.slice(50)}`],
    ['percent-encoded', (text: string) => text.replace('_', '%5F')],
    ['in full-width letters', (text: string) => text.replace('A', 'Ａ')],
    ['in lower case', (text: string) => text.toLowerCase()],
    ['in hexadecimal', (text: string) => `rt1_${Buffer.from(text.slice(4), 'base64url').toString('hex')}`],
    ['with another prefix', (text: string) => `rt2_${text.slice(4)}`],
    ['with the prefix in capitals', (text: string) => `RT1_${text.slice(4)}`],
    ['without the prefix', (text: string) => text.slice(4)],
  ])('has one spelling: %s it is nothing', (_how, respell) => {
    expect(published).toMatch(/_.*[-_]/);
    expect(ring.open(respell(published))).toBeNull();
  });

  it('is nothing under a key id that the ring does not have', () => {
    const foreign = new RefreshTokenKeyRing([{ id: 8, root: rootA }]);
    expect(foreign.open(published)).toBeNull();
    expect(ring.open(foreign.seal(foreign.first(sessionId)))).toBeNull();
  });

  it('is nothing under another root of the same id', () => {
    const other = new RefreshTokenKeyRing([{ id: 7, root: rootB }]);
    fc.assert(fc.property(tokens, (one) => expect(ring.open(other.seal(one))).toBeNull()));
  });

  it('is nothing when its MAC was made for other bytes, or with the deriving key', () => {
    const elsewhere = ring.seal({ ...token, generation: 259 });
    expect(ring.open(published.slice(0, 75) + elsewhere.slice(75))).toBeNull();

    const signed = Buffer.from(published.slice(4), 'base64url').subarray(0, 53);
    for (const label of ['ratchet rt1 mac', 'ratchet rt1 successor']) {
      const mac = createHmac('sha256', hkdf(rootA, 'ratchet rt1 successor')).update(label).update(signed).digest();
      expect(ring.open(`rt1_${Buffer.concat([signed, mac.subarray(0, 16)]).toString('base64url')}`)).toBeNull();
    }
  });

  it('is nothing for a session id that is no UUID, even sealed by a holder of the key', () => {
    const invalid = Buffer.from(published.slice(4), 'base64url').subarray(0, 53);
    expect(ring.open(sealed(invalid))).toEqual(token);
    invalid[7] = 0xff; // the version's place
    expect(ring.open(sealed(invalid))).toBeNull();
  });

  it('of any key of the ring opens, and the first key seals', () => {
    const old = { id: 3, root: rootB };
    const rolled = new RefreshTokenKeyRing([{ id: 7, root: rootA }, old]);
    const issuedBefore = new RefreshTokenKeyRing([old]).first(sessionId);
    expect(rolled.open(new RefreshTokenKeyRing([old]).seal(issuedBefore))).toEqual(issuedBefore);
    expect(rolled.first(sessionId).keyId).toBe(7);
  });

  it('is never sealed with a key that is gone', () => {
    expect(() => ring.seal({ ...token, keyId: 3 })).toThrow('No refresh-token key with id 3 is configured');
  });

  it('is stored as the SHA-256 of its secret alone', () => {
    fc.assert(
      fc.property(tokens, (one) => {
        expect(digestOf(one)).toEqual(createHash('sha256').update(one.secret).digest());
      }),
    );
  });
});

describe('the first token of a session', () => {
  it('has generation 0 and a secret that nobody can know', () => {
    const secrets = Array.from({ length: 100 }, () => {
      const first = ring.first(sessionId);
      expect(first).toMatchObject({ keyId: 7, sessionId, generation: 0 });
      expect(first.secret).toHaveLength(32);
      return first.secret.toString('hex');
    });
    expect(new Set(secrets).size).toBe(100);
  });
});

describe('the successor of a token', () => {
  const nonces = bytes(16);

  it('is the token, the nonce and the key: the same for the same, from any instance', () => {
    fc.assert(
      fc.property(tokens, nonces, (token, nonce) => {
        const successor = ring.successor(token, nonce);
        expect(successor).toMatchObject({ keyId: 7, sessionId: token.sessionId, generation: token.generation + 1 });
        expect(new RefreshTokenKeyRing([{ id: 7, root: rootA }]).successor(token, nonce)).toEqual(successor);
      }),
    );
  });

  it('is the HMAC of what the format says, under the deriving key', () => {
    fc.assert(
      fc.property(tokens, nonces, (token, nonce) => {
        const place = token.sessionId.replaceAll('-', '') + (token.generation + 1).toString(16).padStart(8, '0');
        const secret = createHmac('sha256', hkdf(rootA, 'ratchet rt1 successor'))
          .update(Buffer.concat([Buffer.from('ratchet rt1 successor'), Buffer.from(place, 'hex'), token.secret, nonce]))
          .digest();
        expect(ring.successor(token, nonce).secret).toEqual(secret);
      }),
    );
  });

  // Seen red, one by one, without each `update` of the derivation.
  it('is another one for another secret, generation, session or nonce', () => {
    fc.assert(
      fc.property(tokens, nonces, tokens, nonces, (token, nonce, other, otherNonce) => {
        const { secret } = ring.successor(token, nonce);
        for (const field of ['secret', 'generation', 'sessionId'] as const) {
          if (String(other[field]) === String(token[field])) continue;
          expect(ring.successor({ ...token, [field]: other[field] }, nonce).secret).not.toEqual(secret);
        }
        if (!otherNonce.equals(nonce)) expect(ring.successor(token, otherNonce).secret).not.toEqual(secret);
      }),
    );
  });

  it('is another one under another root', () => {
    fc.assert(
      fc.property(tokens, nonces, bytes(32), bytes(32), (token, nonce, one, two) => {
        fc.pre(!one.equals(two));
        const [first, second] = [one, two].map((root) => new RefreshTokenKeyRing([{ id: 7, root }]));
        expect(first!.successor(token, nonce).secret).not.toEqual(second!.successor(token, nonce).secret);
      }),
    );
  });

  it('cannot be computed from what is stored: the digest in place of the secret leads elsewhere', () => {
    const token = ring.first(sessionId);
    const nonce = newSuccessorNonce();
    expect(ring.successor({ ...token, secret: digestOf(token) }, nonce).secret).not.toEqual(
      ring.successor(token, nonce).secret,
    );
  });

  it('gets a nonce of 16 bytes that was never there before', () => {
    const drawn = Array.from({ length: 100 }, () => newSuccessorNonce());
    expect(drawn.every(({ length }) => length === 16)).toBe(true);
    expect(new Set(drawn.map((nonce) => nonce.toString('hex'))).size).toBe(100);
  });

  it('is under the newest key, whatever the key of its predecessor', () => {
    const rolled = new RefreshTokenKeyRing([
      { id: 9, root: rootB },
      { id: 7, root: rootA },
    ]);
    const old = rolled.open(ring.seal(ring.first(sessionId)))!;
    const successor = rolled.successor(old, newSuccessorNonce());
    expect(successor.keyId).toBe(9);
    expect(rolled.open(rolled.seal(successor))).toEqual(successor);
  });
});

describe('the stored successor', () => {
  const token = ring.first(sessionId);
  const successorNonce = newSuccessorNonce();
  const successor = ring.successor(token, successorNonce);
  const stored = { tokenHash: digestOf(successor), successorNonce, keyId: 7 };

  it('is the one that the rotation gave, also after newer keys have joined the ring', () => {
    expect(ring.storedSuccessor(token, stored)).toEqual(successor);
    const rolled = new RefreshTokenKeyRing([
      { id: 9, root: rootB },
      { id: 7, root: rootA },
    ]);
    expect(rolled.storedSuccessor(token, stored)).toEqual(successor);
  });

  // Seen red without the comparison of the digests.
  it('is never a token that is not the stored one', () => {
    fc.assert(
      fc.property(bytes(32), (digest) => {
        expect(() => ring.storedSuccessor(token, { ...stored, tokenHash: digest })).toThrow('is not the one');
      }),
    );
    expect(() => ring.storedSuccessor(token, { ...stored, successorNonce: newSuccessorNonce() })).toThrow();
    expect(() => ring.storedSuccessor(ring.first(sessionId), stored)).toThrow();
    expect(() => ring.storedSuccessor({ ...token, generation: 1 }, stored)).toThrow();
    expect(() => ring.storedSuccessor(token, { ...stored, tokenHash: stored.tokenHash.subarray(0, 31) })).toThrow();
  });

  it('is a fault when its key has left the ring', () => {
    const without = new RefreshTokenKeyRing([{ id: 9, root: rootB }]);
    expect(() => without.storedSuccessor(token, stored)).toThrow(UnknownRefreshTokenKey);
  });

  it('is a fault where nothing was rotated yet', () => {
    expect(() => ring.storedSuccessor(token, { ...stored, successorNonce: null })).toThrow('no successor');
  });

  it('never shows a secret in its faults', () => {
    const secrets = [token.secret, successor.secret, stored.tokenHash, successorNonce];
    for (const broken of [{ keyId: 1 }, { tokenHash: digestOf(token) }, { successorNonce: null }]) {
      let told = '';
      try {
        ring.storedSuccessor(token, { ...stored, ...broken });
      } catch (fault) {
        told = (fault as Error).stack!;
      }
      expect(told).toContain('Error');
      for (const secret of secrets) {
        for (const encoding of ['hex', 'base64', 'base64url', 'latin1'] as const) {
          expect(told).not.toContain(secret.toString(encoding));
        }
      }
    }
  });
});

describe('a key ring', () => {
  it('has at least one key', () => {
    expect(() => new RefreshTokenKeyRing([])).toThrow('At least one');
  });

  it.each([0, 16, 31, 33, 64])('refuses a root of %d bytes', (length) => {
    expect(() => new RefreshTokenKeyRing([{ id: 1, root: Buffer.alloc(length) }])).toThrow('32 bytes');
  });
});

describe('a retry key', () => {
  it('is stored as its SHA-256, and an absent one as nothing', () => {
    const key = 'k'.repeat(22);
    expect(retryKeyHashOf(key)).toEqual(createHash('sha256').update(key).digest());
    expect(retryKeyHashOf(undefined)).toBeNull();
  });

  it('has 22 to 128 characters of base64url', () => {
    const accepted = fc.string({ unit: fc.constantFrom(...ALPHABET), minLength: 22, maxLength: 128 });
    fc.assert(fc.property(accepted, (key) => RETRY_KEY_PATTERN.test(key)));
    const tooShort = ALPHABET.slice(0, 21);
    for (const key of [
      '',
      tooShort,
      'k'.repeat(129),
      `${tooShort}=`,
      `${tooShort}+`,
      `${tooShort}k\n`,
      ` ${tooShort}k`,
    ]) {
      expect(RETRY_KEY_PATTERN.test(key)).toBe(false);
    }
  });
});
