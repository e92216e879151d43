import { generateKeyPairSync, type JsonWebKey, randomUUID, sign } from 'node:crypto';
import { DpopNonces } from '../../src/auth/domain/dpop-nonces';
import type { TestApplication } from './app/test-application';

const PAIRS = {
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
};

export interface ProofParts {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** A device with a key of its own, which signs proofs (RFC 9449) without any of the product's code. */
export class Device {
  private readonly pair;
  readonly jwk: JsonWebKey;

  constructor(readonly alg: keyof typeof PAIRS = 'ES256') {
    this.pair = PAIRS[alg]();
    this.jwk = this.pair.publicKey.export({ format: 'jwk' });
  }

  get privateJwk(): JsonWebKey {
    return this.pair.privateKey.export({ format: 'jwk' });
  }

  /** A proof for a POST to `htu` of now; undefined parts are left out. */
  proof(htu: string, nonce?: string, { header = {}, claims = {} }: ProofParts = {}): string {
    return this.jws(
      { typ: 'dpop+jwt', alg: this.alg, jwk: this.jwk, ...header },
      { jti: randomUUID(), htm: 'POST', htu, iat: Math.floor(Date.now() / 1000), nonce, ...claims },
    );
  }

  /** What a browser signs to bind a session (Device Bound Session Credentials). */
  registration(
    { challenge, authorization }: { readonly challenge: string; readonly authorization?: string },
    header: Readonly<Record<string, unknown>> = {},
  ): string {
    const whole = { typ: 'dbsc+jwt', alg: this.alg, jwk: this.jwk, ...header };
    return this.jws(whole, { jti: challenge, authorization });
  }

  /** What a browser signs to refresh a bound session. */
  response(challenge: string, header: Readonly<Record<string, unknown>> = {}): string {
    return this.jws({ typ: 'dbsc+jwt', alg: this.alg, ...header }, { jti: challenge });
  }

  private jws(...parts: readonly object[]): string {
    const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    return `${signed}.${this.signatureOf(signed)}`;
  }

  private signatureOf(signed: string): string {
    const key = { key: this.pair.privateKey, dsaEncoding: 'ieee-p1363' } as const;
    return sign(this.alg === 'EdDSA' ? null : 'sha256', Buffer.from(signed), key).toString('base64url');
  }
}

/** The origin that a test application takes for its own. */
export const ORIGIN = 'http://127.0.0.1:0';

/** The nonce of this moment, as a challenge would give it. */
export const nonceOf = ({ app }: TestApplication, now = new Date()): string =>
  app.get(DpopNonces, { strict: false }).current(now);

/** The header of a request to `path` with a fresh proof. */
export const proofFor = (app: TestApplication, device: Device, path: string, parts?: ProofParts) => ({
  DPoP: device.proof(ORIGIN + path, nonceOf(app), parts),
});
