import { createPublicKey, type JsonWebKey, randomBytes } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { DpopNonces } from '../../src/auth/domain/dpop-nonces';
import { isProofFor, parseProof, thumbprintOf } from '../../src/guard/dpop';
import { Device, type ProofParts } from '../support/dpop';

const URL_OF_REFRESH = 'https://app.example/auth/refresh';
const REQUEST = { method: 'POST', urls: [URL_OF_REFRESH] };
const device = new Device();
const other = new Device();

const isProof = (jwt: string, request = REQUEST): boolean => {
  const proof = parseProof(jwt);
  return proof !== null && isProofFor(proof, request);
};
const made = (parts: ProofParts, by = device) => by.proof(URL_OF_REFRESH, 'a nonce', parts);

describe('a DPoP proof', () => {
  it.each(['ES256', 'EdDSA', 'RS256'] as const)('is one by a key of %s', (alg) => {
    expect(isProof(new Device(alg).proof(URL_OF_REFRESH))).toBe(true);
  });

  it.each<[string, ProofParts]>([
    ['of another type', { header: { typ: 'JWT' } }],
    ['without a type', { header: { typ: undefined } }],
    ['that says none', { header: { alg: 'none' } }],
    ['that says another algorithm than its key', { header: { alg: 'RS256' } }],
    ['that says HS256', { header: { alg: 'HS256' } }],
    ['with an extension that must be understood', { header: { crit: ['exp'], exp: 1 } }],
    ['without a key', { header: { jwk: undefined } }],
    ['with a private key', { header: { jwk: device.privateJwk } }],
    ['with a secret', { header: { jwk: { kty: 'oct', k: 'AAAA' } } }],
    ['with a key that is no object', { header: { jwk: 'a key' } }],
    ['with a PEM', { header: { jwk: pemOf(device.jwk) } }],
    ['with the key of somebody else', { header: { jwk: other.jwk } }],
    ['with a key that is for encryption', { header: { jwk: { ...device.jwk, use: 'enc' } } }],
    ['without a jti', { claims: { jti: undefined } }],
    ['with an empty jti', { claims: { jti: '' } }],
    ['with a jti of 257 characters', { claims: { jti: 'j'.repeat(257) } }],
    ['with a jti that is a number', { claims: { jti: 1 } }],
    ['without an iat', { claims: { iat: undefined } }],
    ['with an iat that is a text', { claims: { iat: '1' } }],
    ['without a method', { claims: { htm: undefined } }],
    ['for another method', { claims: { htm: 'GET' } }],
    ['for the method in small letters', { claims: { htm: 'post' } }],
    ['without a URL', { claims: { htu: undefined } }],
    ['for another path', { claims: { htu: 'https://app.example/auth/login' } }],
    ['for a path that continues', { claims: { htu: `${URL_OF_REFRESH}/more` } }],
    ['for another host', { claims: { htu: 'https://evil.example/auth/refresh' } }],
    ['for another port', { claims: { htu: 'https://app.example:8443/auth/refresh' } }],
    ['for another scheme', { claims: { htu: 'http://app.example/auth/refresh' } }],
    ['for a path alone', { claims: { htu: '/auth/refresh' } }],
    ['for a URL with a user in it', { claims: { htu: 'https://app.example@app.example/auth/refresh' } }],
    ['with a nonce that is a number', { claims: { nonce: 1 } }],
    ['with an ath that is empty', { claims: { ath: '' } }],
  ])('%s is none', (_name, parts) => {
    expect(isProof(made(parts))).toBe(false);
  });

  // RFC 9449 section 4.3: query and fragment are ignored, and URLs are compared after normalisation.
  it.each([`${URL_OF_REFRESH}?a=b#c`, 'HTTPS://APP.example:443/auth/refresh', 'https://app.example/auth/./refresh'])(
    'may spell its URL %s',
    (htu) => {
      expect(isProof(made({ claims: { htu } }))).toBe(true);
    },
  );

  it('is at most 4096 characters long', () => {
    const padded = (length: number) => made({ claims: { padding: 'x'.repeat(length) } });
    const [fits] = Array.from({ length: 3000 }, (_, at) => 3000 - at).filter((length) => padded(length).length <= 4096);
    expect(isProof(padded(fits!))).toBe(true);
    expect(isProof(padded(fits! + 3))).toBe(false);
  });

  it('is spelled in one way, and has its own signature', () => {
    const [header, payload, signature] = made({}).split('.');
    const [, otherPayload] = made({}).split('.');
    for (const jwt of [
      `${header}.${otherPayload}.${signature}`,
      `${header}.${payload}.`,
      `${header}.${payload}`,
      `${header}.${payload}.${signature}=`,
      `${made({})}, ${made({})}`,
      '',
    ])
      expect(isProof(jwt)).toBe(false);
  });

  // A key of 16,384 bits, or one with a huge exponent, would cost milliseconds a proof.
  it('is of no key that is slow to verify, or weak', () => {
    // Nobody has their private halves: to draw one of 4,096 bits takes seconds.
    const proofBy = (bits: number, exponent: number) => {
      const modulus = randomBytes(bits / 8);
      modulus[0]! |= 0x80;
      modulus[modulus.length - 1]! |= 1;
      const jwk = {
        kty: 'RSA',
        n: modulus.toString('base64url'),
        e: Buffer.from([1, 0, exponent - 65536]).toString('base64url'),
      };
      return parseProof(made({ header: { alg: 'RS256', jwk } }));
    };
    for (const bits of [2048, 4096]) expect(proofBy(bits, 65537)).not.toBeNull();
    expect(proofBy(4104, 65537)).toBeNull();
    expect(proofBy(1024, 65537)).toBeNull();
    expect(proofBy(2048, 65539)).toBeNull();
  });

  it.each(['ES256', 'EdDSA', 'RS256'] as const)('names its key of %s as RFC 7638 does', async (alg) => {
    const signer = new Device(alg);
    const { key } = parseProof(signer.proof(URL_OF_REFRESH))!;
    expect(thumbprintOf(key)).toBe(await calculateJwkThumbprint(signer.jwk));
    // However it is spelled in the proof.
    const named = { header: { jwk: { ...signer.jwk, kid: 'k' } } };
    expect(thumbprintOf(parseProof(signer.proof(URL_OF_REFRESH, undefined, named))!.key)).toBe(thumbprintOf(key));
  });
});

describe('a nonce', () => {
  const root = (id: number) => ({ id, root: Buffer.alloc(32, id) });
  const nonces = new DpopNonces([root(1)]);
  const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);

  it('has the published form', () => {
    expect(new DpopNonces([root(1)]).current(at(0))).toBe('AVs1ODkwNzUyMF00jgOXaeNgGy7O5nfkWZL9HePLZoaiVP6caZE-alBxBQ');
  });

  it('is the same for everyone with these keys, and changes every half minute', () => {
    expect(new DpopNonces([root(1)]).current(at(0))).toBe(nonces.current(at(29.999)));
    expect(nonces.current(at(30))).not.toBe(nonces.current(at(29.999)));
  });

  // Seen red with the current one alone.
  it('counts for its half minute and the next one, and not before', () => {
    const nonce = nonces.current(at(30));
    expect([29, 30, 59, 60, 89, 90].map((seconds) => nonces.accepts(nonce, at(seconds)))).toEqual([
      ...[false, true, true, true, true, false],
    ]);
  });

  it('counts while its key is in the ring, in one spelling', () => {
    const nonce = nonces.current(at(0));
    expect(new DpopNonces([root(2), root(1)]).accepts(nonce, at(0))).toBe(true);
    expect(new DpopNonces([root(2)]).accepts(nonce, at(0))).toBe(false);
    for (const text of [undefined, '', `${nonce}=`, nonce.slice(0, -1), 'junk'])
      expect(nonces.accepts(text, at(0))).toBe(false);
  });
});

function pemOf(jwk: JsonWebKey): string {
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();
}
