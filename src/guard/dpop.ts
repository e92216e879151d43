import { hash } from 'node:crypto';
import { asymmetricKeyOf } from './asymmetric-key';
import { type AlgorithmKey, isSignedBy, type Jws, objectOf, parseJws } from './jws';

/*
 * Proofs of possession (RFC 9449): a JWT that a client signs with its own key for one request. Everything here is pure; who
 * asks decides by which clock or nonce a proof is recent, and whether it was seen before.
 */

/** Of proofs, not of keys: an HMAC proves nothing to somebody who does not have its key. */
export const PROOF_ALGORITHMS = ['ES256', 'EdDSA', 'RS256'] as const;

/** The longest proof that is read, in characters. */
export const MAX_PROOF = 4096;
const MAX_JTI = 256;
const MAX_RSA_BITS = 4096;
const RSA_EXPONENT = 65537n;

/** The request that a proof must be for. */
export interface ProvenRequest {
  readonly method: string;
  /** Where the request was sent, without query and fragment; several if the server has several names. */
  readonly urls: readonly string[];
}

/** A proof by its form, whose signature is not verified. */
export interface UnverifiedProof {
  readonly jws: Jws;
  readonly key: AlgorithmKey;
  readonly jti: string;
  readonly htm: string;
  readonly htu: string;
  /** Seconds since the epoch, on the client's clock. */
  readonly iat: number;
  readonly nonce: string | undefined;
  readonly ath: string | undefined;
}

/**
 * Null for what is no proof: another `typ`, a key that is private, weak or of no algorithm among {@link PROOF_ALGORITHMS}, an
 * extension that must be understood, a claim that is missing or of another type (RFC 9449 section 4.3).
 */
export function parseProof(jwt: string): UnverifiedProof | null {
  const jws = jwt.length > MAX_PROOF ? null : parseJws(jwt);
  if (jws === null) return null;
  const { typ, jwk, crit } = jws.header;
  if (typ !== 'dpop+jwt' || crit !== undefined) return null;
  const key = proofKeyOf(jwk);
  const claims = objectOf(jws.payload);
  if (key === null || claims === null) return null;
  const { jti, htm, htu, iat, nonce, ath } = claims;
  if (!isText(jti) || jti.length > MAX_JTI || !isText(htm) || !isText(htu)) return null;
  if (typeof iat !== 'number' || !Number.isFinite(iat)) return null;
  if ((nonce !== undefined && !isText(nonce)) || (ath !== undefined && !isText(ath))) return null;
  return { jws, key, jti, htm, htu, iat, nonce, ath };
}

/** The key in the header of a proof; null for one that is private, weak, slow or of no algorithm of {@link PROOF_ALGORITHMS}. */
export function proofKeyOf(jwk: unknown): AlgorithmKey | null {
  const key = asymmetricKeyOf('public', typeof jwk === 'string' ? null : jwk);
  return key === null || isSlow(key) ? null : key;
}

/** Whether the proof is signed by its own key, and is for this request. */
export const isProofFor = (proof: UnverifiedProof, { method, urls }: ProvenRequest): boolean =>
  proof.htm === method && isOneOf(urls, proof.htu) && isSignedBy(proof.key, proof.jws);

/** What binds a token to a key: the SHA-256 of its public JWK, in base64url (RFC 7638 section 3). */
export function thumbprintOf({ key }: AlgorithmKey): string {
  const { kty, crv, x, y, e, n } = key.export({ format: 'jwk' });
  // The required members in the order of their names; those that a kind of key does not have are left out.
  return hash('sha256', JSON.stringify({ crv, e, kty, n, x, y }), 'base64url');
}

/** The `ath` of an access token (RFC 9449 section 4.2). */
export const accessTokenHashOf = (token: string): string => hash('sha256', token, 'base64url');

/** Compared as URLs: scheme and host in lower case, without the default port; query and fragment do not count. */
function isOneOf(urls: readonly string[], htu: string): boolean {
  const claimed = placeOf(htu);
  return claimed !== null && urls.some((url) => placeOf(url) === claimed);
}

function placeOf(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const { protocol, host, pathname, username, password } = new URL(text);
  return username === '' && password === '' ? `${protocol}//${host}${pathname}` : null;
}

/** Anyone can send a key whose signatures take milliseconds to verify. */
function isSlow({ alg, key: { asymmetricKeyDetails: details } }: AlgorithmKey): boolean {
  return alg === 'RS256' && ((details?.modulusLength ?? 0) > MAX_RSA_BITS || details?.publicExponent !== RSA_EXPONENT);
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
