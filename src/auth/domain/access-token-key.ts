import {
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { asymmetricKeyOf, type GivenKey, isPrivateJwk, isPrivatePem } from '../../guard/asymmetric-key';
import { type AlgorithmKey, isSignedBy, signatureOf } from '../../guard/jws';

/** HS256, by 32 to 64 random bytes (RFC 7518 section 3.2). Everyone who can verify a token can also sign one. */
export interface SecretKey {
  readonly secret: Uint8Array;
  readonly privateKey?: undefined;
  readonly publicKey?: undefined;
  readonly sign?: undefined;
}

/** ES256 (P-256), EdDSA (Ed25519) or RS256 (RSA of at least 2048 bits), as a `KeyObject`, a PEM or a JWK. */
export interface PrivateSigningKey {
  readonly secret?: undefined;
  readonly privateKey: GivenKey;
  readonly publicKey?: undefined;
  readonly sign?: undefined;
}

/** The public half of such a key. It only verifies, unless `sign` is given. */
export interface PublicVerifyingKey {
  readonly secret?: undefined;
  readonly privateKey?: undefined;
  readonly publicKey: GivenKey;
  /**
   * Signs where the private half is, such as in a KMS: returns the signature of the bytes in JOSE's form (for ES256 r and s, 64
   * bytes). It is verified before it is used; one that takes more than two seconds is answered with 503.
   */
  readonly sign?: ((input: Uint8Array) => Uint8Array | Promise<Uint8Array>) | undefined;
}

/**
 * One key of the access-token ring; the first signs, every key verifies. The key decides its algorithm, never a token (RFC 8725
 * section 3.1).
 */
export type AccessTokenKey = { readonly kid: string } & (SecretKey | PrivateSigningKey | PublicVerifyingKey);

/** A key of the ring, ready for use. */
export interface RingKey extends AlgorithmKey {
  readonly kid: string;
  /** The signature in base64url; null of a key that only verifies. */
  readonly sign: ((signed: string) => string | Promise<string>) | null;
}

/** A public key as others are given it (RFC 7517). */
export type PublicJwk = Readonly<JsonWebKey> & { readonly kid: string; readonly alg: string; readonly use: 'sig' };

const MIN_SECRET = 32;
const MAX_SECRET = 64;

/** What is wrong with each key of a ring, as words that follow its kid; empty if every key is usable and the first signs. */
export function accessTokenKeyProblems(ring: readonly AccessTokenKey[]): string[] {
  return ring.flatMap((key, at) => {
    const problem = problemOf(key.kid, key, at === 0);
    return problem === null ? [] : [`${key.kid} ${problem}`];
  });
}

/** Not every host is compiled: what is given may be anything. */
type Unchecked = { readonly [Part in Exclude<keyof AccessTokenKey, 'kid'>]?: unknown };

function problemOf(kid: string, given: Unchecked, first: boolean): string | null {
  const { secret, privateKey, publicKey, sign } = given;
  if ([secret, privateKey, publicKey].filter((material) => material !== undefined).length !== 1)
    return 'is not exactly one of a secret, a private key and a public key';
  if (sign !== undefined && (publicKey === undefined || typeof sign !== 'function'))
    return 'has a `sign` that is no function, or is beside no public key';
  if (secret !== undefined) return secretProblem(kid, secret);
  const half = publicKey === undefined ? 'private' : 'public';
  const usable = asymmetricKeyOf(half, publicKey ?? privateKey);
  if (usable === null || (half === 'private' && !isWhole(usable)))
    return `is no usable ${half} key: it must be of P-256, Ed25519 or RSA of at least 2048 bits, and for signatures`;
  return first && half === 'public' && sign === undefined
    ? 'is a public key, which only verifies: it must not be first'
    : null;
}

function secretProblem(kid: string, secret: unknown): string | null {
  if (!(secret instanceof Uint8Array) || secret.length < MIN_SECRET || secret.length > MAX_SECRET)
    return `is no secret of ${MIN_SECRET} to ${MAX_SECRET} bytes`;
  if (/^[\w+/-]+={0,2}\s*$/.test(Buffer.from(secret).toString('latin1')))
    return 'is a secret that is itself base64 text: decode it, or generate another one';
  const told = accessTokenKeyOf(kid, secret);
  // Everyone knows a public key, and could sign with it.
  return asymmetricKeyOf('private', told.privateKey) !== null || asymmetricKeyOf('public', told.publicKey) !== null
    ? 'has a private or public key as its secret'
    : null;
}

/** A JWK may have a public half that is not of its private one. */
const isWhole = ({ alg, key }: AlgorithmKey): boolean =>
  isSignature(
    { alg, key: createPublicKey(key) },
    'probe',
    Buffer.from(signatureOf({ alg, key }, 'probe'), 'base64url'),
  );

const isSignature = (key: AlgorithmKey, signed: string, signature: Buffer): boolean =>
  isSignedBy(key, { header: { alg: key.alg }, payload: Buffer.alloc(0), signed, signature });

/** @throws Error for a key with a problem @internal */
export function ringKeyOf(given: AccessTokenKey): RingKey {
  const { kid, secret, privateKey, publicKey, sign } = given;
  if (secret !== undefined) {
    const key = { alg: 'HS256', key: createSecretKey(secret) } as const;
    return { kid, ...key, sign: (signed) => signatureOf(key, signed) };
  }
  const half = publicKey === undefined ? 'private' : 'public';
  const key = asymmetricKeyOf(half, publicKey ?? privateKey);
  if (key === null) throw new Error(`The access-token key ${kid} is no usable ${half} key`);
  if (half === 'private')
    return { kid, alg: key.alg, key: createPublicKey(key.key), sign: (signed) => signatureOf(key, signed) };
  return { kid, ...key, sign: sign === undefined ? null : (signed) => signedElsewhere(kid, key, sign, signed) };
}

async function signedElsewhere(
  kid: string,
  key: AlgorithmKey,
  sign: NonNullable<AccessTokenKey['sign']>,
  signed: string,
): Promise<string> {
  const signature = Buffer.from(await sign(Buffer.from(signed)));
  // A token that nobody accepts must not replace one that is accepted.
  if (!isSignature(key, signed, signature))
    throw new Error(`The signature for the access-token key ${kid} is not one of its public key, in JOSE's form`);
  return signature.toString('base64url');
}

/** Null for a secret. */
export function publicJwkOf({ kid, alg, key }: RingKey): PublicJwk | null {
  return alg === 'HS256' ? null : { ...key.export({ format: 'jwk' }), kid, alg, use: 'sig' };
}

/** The same for two keys exactly if one verifies what the other signs; it discloses nothing of a secret. @internal */
export function fingerprintOf({ alg, key }: RingKey): string {
  const bytes = alg === 'HS256' ? key.export() : key.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(bytes).digest('base64url');
}

/**
 * What the bytes of a key are, by how they begin: `-----BEGIN` a PEM, `{` a JWK, a DER SEQUENCE of exactly their length PKCS#8
 * or SPKI, anything else a secret. What begins so and is none of these is no secret: told apart by trial, a public key that
 * cannot be read would become an HMAC secret. {@link accessTokenKeyProblems} refuses it.
 * @internal
 */
export function accessTokenKeyOf(kid: string, bytes: Uint8Array): AccessTokenKey {
  const buffer = Buffer.from(bytes);
  const text = buffer.toString();
  if (text.startsWith('-----BEGIN')) return isPrivatePem(text) ? { kid, privateKey: text } : { kid, publicKey: text };
  if (text.startsWith('{')) {
    const jwk = jwkOf(text);
    return isPrivateJwk(jwk) ? { kid, privateKey: jwk } : { kid, publicKey: jwk };
  }
  if (!isDerSequence(buffer)) return { kid, secret: bytes };
  const privateKey = read(() => createPrivateKey({ key: buffer, format: 'der', type: 'pkcs8' }));
  if (privateKey !== null) return { kid, privateKey };
  return { kid, publicKey: read(() => createPublicKey({ key: buffer, format: 'der', type: 'spki' })) ?? '' };
}

/** The object, or one that is no key. */
function jwkOf(text: string): JsonWebKey {
  try {
    return JSON.parse(text) as JsonWebKey; // an object: it begins with a brace
  } catch {
    return {};
  }
}

function read(key: () => KeyObject): KeyObject | null {
  try {
    return key();
  } catch {
    return null;
  }
}

/** X.690 section 8.1.3: up to 127 bytes the length is one byte, beyond it a count of the bytes that hold it. */
function isDerSequence(bytes: Buffer): boolean {
  const [tag, length = 0] = bytes;
  if (tag !== 0x30) return false;
  if (length < 0x80) return bytes.length === 2 + length;
  const count = length - 0x80;
  return (
    count >= 1 && count <= 3 && bytes.length > 2 + count && bytes.length === 2 + count + bytes.readUIntBE(2, count)
  );
}
