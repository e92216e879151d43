import { createPrivateKey, createPublicKey, type JsonWebKey, KeyObject } from 'node:crypto';
import type { AlgorithmKey } from './jws';

/** A private or a public key: a `KeyObject`, a PEM, or a JWK (RFC 7517). */
/** A key as a `KeyObject`, a PEM or a JWK. */
export type GivenKey = KeyObject | string | JsonWebKey;

/**
 * The key with its algorithm: ES256 for P-256, EdDSA for Ed25519, RS256 for RSA of at least 2048 bits whose exponent is at
 * least 65537 (NIST SP 800-56B, 6.2). Null for anything else: another kind, the other half, a JWK whose `alg`, `use` or
 * `key_ops` say that it is for something else.
 */
export function asymmetricKeyOf(half: 'private' | 'public', given: unknown): AlgorithmKey | null {
  try {
    const key = given instanceof KeyObject ? given : parsed(half, given);
    const alg = key?.type === half ? algorithmOf(key) : null;
    if (key === null || alg === null) return null;
    return given instanceof KeyObject || typeof given === 'string' || isMeantFor(half, alg, given as JsonWebKey)
      ? { alg, key }
      : null;
  } catch {
    return null; // what OpenSSL cannot read
  }
}

/** Without these conditions Node would derive a public key from a private one, or take that of a certificate. */
function parsed(half: 'private' | 'public', given: unknown): KeyObject | null {
  if (typeof given === 'string') {
    if (half === 'private') return createPrivateKey(given);
    return isPrivatePem(given) || !PUBLIC_PEM.test(given) ? null : createPublicKey(given);
  }
  if (typeof given !== 'object' || given === null) return null;
  const jwk = { key: given as JsonWebKey, format: 'jwk' } as const;
  if (half === 'private') return createPrivateKey(jwk);
  return isPrivateJwk(given) ? null : createPublicKey(jwk);
}

const PUBLIC_PEM = /-----BEGIN (?:RSA )?PUBLIC KEY-----/;

export const isPrivatePem = (pem: string): boolean => /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem);

export const isPrivateJwk = (jwk: object): boolean => 'd' in jwk;

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails: details }: KeyObject): AlgorithmKey['alg'] | null {
  switch (asymmetricKeyType) {
    case 'ec':
      return details?.namedCurve === 'prime256v1' ? 'ES256' : null;
    case 'ed25519':
      return 'EdDSA';
    case 'rsa':
      return (details?.modulusLength ?? 0) >= 2048 && (details?.publicExponent ?? 0n) >= 65537n ? 'RS256' : null;
    default:
      return null;
  }
}

function isMeantFor(half: 'private' | 'public', alg: AlgorithmKey['alg'], jwk: JsonWebKey): boolean {
  const { use = 'sig', key_ops: operations, alg: said = alg } = jwk;
  if (use !== 'sig' || said !== alg) return false;
  return (
    operations === undefined ||
    (Array.isArray(operations) && operations.includes(half === 'private' ? 'sign' : 'verify'))
  );
}
