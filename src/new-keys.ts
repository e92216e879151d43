import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { accessTokenKeyOf } from './auth';

/** The algorithms that an access-token key can be generated for; the first is the default (ADR 21). */
export const ALGORITHMS = ['ES256', 'EdDSA', 'RS256', 'HS256'] as const;

export type Algorithm = (typeof ALGORITHMS)[number];

/** A new access-token key as `ACCESS_TOKEN_KEYS` has it, in base64: PKCS#8, or the bytes of a secret. */
export function newAccessTokenKey(algorithm: Algorithm): string {
  const bytes = algorithm === 'HS256' ? newSecret() : pkcs8(PAIRS[algorithm]().privateKey);
  return bytes.toString('base64');
}

/** A new root of refresh-token keys, in base64. */
export const newRefreshTokenRoot = (): string => randomBytes(32).toString('base64');

const PAIRS: Readonly<Record<Exclude<Algorithm, 'HS256'>, () => { privateKey: KeyObject }>> = {
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 3072 }),
};

const pkcs8 = (key: KeyObject): Buffer => key.export({ type: 'pkcs8', format: 'der' });

/** One in 256 begins as another kind of key does. */
function newSecret(): Buffer {
  for (;;) {
    const bytes = randomBytes(32);
    if (accessTokenKeyOf('new', bytes).secret !== undefined) return bytes;
  }
}
