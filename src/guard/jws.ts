import { createHmac, type KeyObject, sign, timingSafeEqual, verify } from 'node:crypto';

/** The algorithms of access tokens (RFC 7518 section 3.1, RFC 8037 section 3.1). A key has one; a token only repeats it. */
export type AccessTokenAlgorithm = 'HS256' | 'ES256' | 'EdDSA' | 'RS256';

/** A key with its algorithm: of `HS256` the secret, of the others the public or the private half. */
export interface AlgorithmKey {
  readonly alg: AccessTokenAlgorithm;
  readonly key: KeyObject;
}

/** A JWS in its compact form (RFC 7515 section 7.1), parsed and not verified. */
export interface Jws {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Buffer;
  /** What the signature is of: the header and the payload as they were sent. */
  readonly signed: string;
  readonly signature: Buffer;
}

const COMPACT = /^([\w-]+)\.([\w-]*)\.([\w-]+)$/;

/** Null for anything that is none, also for base64url that is not canonical: a token has one spelling. */
export function parseJws(token: string): Jws | null {
  const [, header = '', payload = '', signature = ''] = COMPACT.exec(token) ?? [];
  const bytes = [header, payload, signature].map(bytesOf);
  const [headerBytes, payloadBytes, signatureBytes] = bytes;
  if (!headerBytes || !payloadBytes || !signatureBytes) return null;
  const parsed = objectOf(headerBytes);
  if (parsed === null) return null;
  return { header: parsed, payload: payloadBytes, signed: `${header}.${payload}`, signature: signatureBytes };
}

/** Whether the JWS has the algorithm of the key, and a signature by it. The header's `alg` chooses nothing (RFC 8725 section 3.1). */
export function isSignedBy({ alg, key }: AlgorithmKey, { header, signed, signature }: Jws): boolean {
  if (header.alg !== alg) return false;
  if (alg !== 'HS256') return verify(HASH[alg], Buffer.from(signed), inJoseForm(alg, key), signature);
  const mac = createHmac('sha256', key).update(signed).digest();
  return mac.length === signature.length && timingSafeEqual(mac, signature);
}

/** The signature, in base64url, by a secret or a private key. */
export function signatureOf({ alg, key }: AlgorithmKey, signed: string): string {
  return alg === 'HS256'
    ? createHmac('sha256', key).update(signed).digest('base64url')
    : sign(HASH[alg], Buffer.from(signed), inJoseForm(alg, key)).toString('base64url');
}

/** The JSON object that the bytes are, or null. */
export function objectOf(bytes: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** Ed25519 hashes by itself. */
const HASH = { ES256: 'sha256', RS256: 'sha256', EdDSA: null } as const;

/** JOSE writes a signature of ES256 as r and s, 32 bytes each (RFC 7518 section 3.4), OpenSSL as DER. */
const inJoseForm = (alg: AccessTokenAlgorithm, key: KeyObject) =>
  alg === 'ES256' ? ({ key, dsaEncoding: 'ieee-p1363' } as const) : { key };

function bytesOf(base64url: string): Buffer | null {
  const bytes = Buffer.from(base64url, 'base64url');
  return bytes.toString('base64url') === base64url ? bytes : null;
}
