import { createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { DpopNonces } from '../../src/auth/domain/dpop-nonces';
import { accessTokenHashOf, thumbprintOf } from '../../src/guard/dpop';

/** The origin that `PUBLIC_ORIGIN` of every server of the benchmarks names. */
const ORIGIN = 'https://bench.example';

/** A device: a private key as PEM, which can be sent to the load generator, and the thumbprint of its public half. */
export function newDevice(): { readonly key: string; readonly jkt: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    jkt: thumbprintOf({ alg: 'ES256', key: publicKey }),
  };
}

/** The lines of a request's head with a fresh proof (RFC 9449): of a refresh with the nonce of `root`, of another with an access token. */
export function proofs(pem: string, root?: string) {
  const key = createPrivateKey(pem);
  const jwk = createPublicKey(key).export({ format: 'jwk' });
  const nonces = root === undefined ? undefined : new DpopNonces([{ id: 0, root: Buffer.from(root, 'base64') }]);
  const header = part({ typ: 'dpop+jwt', alg: 'ES256', jwk });
  return (htm: string, path: string, token?: string): string => {
    const claims = {
      jti: randomUUID(),
      htm,
      htu: ORIGIN + path,
      iat: Math.floor(Date.now() / 1000),
      nonce: nonces?.current(new Date()),
      ath: token === undefined ? undefined : accessTokenHashOf(token),
    };
    const signed = `${header}.${part(claims)}`;
    const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
    return `DPoP: ${signed}.${signature}\r\n`;
  };
}

const part = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');
