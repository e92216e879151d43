import type { JsonWebKey } from 'node:crypto';
import {
  type AccessTokenKey,
  accessTokenKeyProblems,
  type RingKey,
  ringKeyOf,
} from '../../src/auth/domain/access-token-key';
import { isSignedBy, parseJws } from '../../src/guard/jws';
import { describeWithVectors, type VectorGroup, vectorsOf } from '../support/vectors';

const FIRST: AccessTokenKey = { kid: 'first', secret: Buffer.alloc(32, 1) };

/** The key of the ring that a JWK is, of an HMAC key its bytes; null for a key that the start refuses. */
function keyOf(jwk: JsonWebKey): RingKey | null {
  const isSecret = jwk.kty === 'oct' && jwk.alg === 'HS256';
  const kid = String(jwk.kid);
  const key: AccessTokenKey = isSecret
    ? { kid, secret: Buffer.from(String(jwk.k), 'base64url') }
    : { kid, publicKey: jwk };
  return accessTokenKeyProblems([FIRST, key]).length === 0 ? ringKeyOf(key) : null;
}

const accepts = (ring: readonly JsonWebKey[], token: string): boolean => {
  const jws = parseJws(token);
  const keys = ring.map(keyOf).filter((key) => key !== null);
  return jws !== null && keys.some((key) => isSignedBy(key, jws));
};

const named = ({ tcId, comment }: VectorGroup<unknown>['tests'][number]) => `${tcId} ${comment}`;

/** Valid, but of an algorithm that no key of a ring has. */
const OTHER_ALGORITHMS = ['RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES384', 'ES512'];

/** Called valid for a lenient reader: base64url with characters that are none. A token of ours has one spelling. */
const LENIENT = ['372 InvalidCharacterInsertedInHeader', '373 InvalidCharacterInsertedInPayload'];

/** Called invalid for padding that the file has lost: they are to the letter the token of 357, which is called valid. */
const WITHOUT_PADDING = ['367 invalidBase64Padding', '370 invalidBase64PaddingInPayload'];

describeWithVectors("Wycheproof's vectors of signatures", () => {
  const groups = vectorsOf<JsonWebKey>('json_web_signature_test.json');

  it('are those that were looked at', () => {
    expect(groups.flatMap(({ tests }) => tests)).toHaveLength(401);
  });

  it('call one token valid, and invalid twice', () => {
    const vectors = groups.flatMap(({ tests }) => tests);
    const { jws } = vectors.find(({ tcId }) => tcId === 357)!;
    const twins = vectors.filter((vector) => vector.jws === jws && vector.result === 'invalid');
    expect(twins.map(named)).toEqual(WITHOUT_PADDING);
  });

  // Seen red with the algorithm of the token, without r and s, and with base64url that is not canonical.
  it.each(groups.map((group) => [group.comment, group] as const))('%s', (_, group) => {
    const jwk = group.public ?? group.private!;
    for (const vector of group.tests) {
      if (WITHOUT_PADDING.includes(named(vector))) continue;
      const algorithm = String(parseJws(vector.jws)?.header.alg);
      const expected =
        vector.result === 'valid' && !OTHER_ALGORITHMS.includes(algorithm) && !LENIENT.includes(named(vector));
      expect([named(vector), accepts([jwk], vector.jws)]).toEqual([named(vector), expected]);
    }
  });
});

/** What Wycheproof would rather have refused, and why it is not. */
const ACCEPTED: Readonly<Record<string, string>> = {
  jws_mixedSymmetryKeyset: 'a ring may mix kinds: each key has its algorithm',
  jws_duplicate_kid: 'the rule of the ring, which refuses a kid twice, is in the options',
  jws_rsa_roca_key: 'keys of one faulty chip of before 2017',
};

/** What Wycheproof accepts, and the start does not. */
const REFUSED: Readonly<Record<string, string>> = {
  long_key: 'a secret has at most 64 bytes: SHA-256 would hash a longer one',
};

describeWithVectors("Wycheproof's vectors of keys", () => {
  const groups = vectorsOf<{ keys: JsonWebKey[] }>('json_web_key_test.json');

  it('are those that were looked at', () => {
    expect(groups.flatMap(({ tests }) => tests)).toHaveLength(26);
  });

  it.each(groups.map((group) => [group.comment, group] as const))('%s', (comment, group) => {
    for (const vector of group.tests) {
      const accepted = accepts((group.public ?? group.private!).keys, vector.jws);
      if (comment in ACCEPTED) expect([ACCEPTED[comment], accepted]).toEqual([ACCEPTED[comment], true]);
      else if (vector.comment in REFUSED) expect(accepted).toBe(false);
      else expect([named(vector), accepted]).toEqual([named(vector), vector.result === 'valid']);
    }
  });
});
