import type { Fetch, KeyPair } from './session.mjs';

/* Loaded when a session is bound, and not before: most are not. */

type Key = Parameters<typeof crypto.subtle.sign>[1];
type Sign = (request: Request, accessToken?: string) => Promise<Response>;

const ECDSA = { name: 'ECDSA', hash: 'SHA-256' };

/**
 * Sends requests with a proof by the key (RFC 9449), for an access token if there is one. If the server asks for a nonce, the
 * request is sent again with a new proof that contains it.
 */
export function signing(fetch: Fetch, pair: KeyPair): Sign {
  const nonces = new Map<string, string>();
  return async (request, accessToken) => {
    const { origin, pathname } = new URL(request.url);
    const send = async (): Promise<Response> => {
      const copy = request.clone();
      copy.headers.set('DPoP', await proofOf(pair, request.method, origin + pathname, nonces.get(origin), accessToken));
      return fetch(copy);
    };
    const response = await send();
    const nonce = response.headers.get('DPoP-Nonce');
    if (nonce === null || nonces.get(origin) === nonce) return response;
    nonces.set(origin, nonce);
    // In Node.js, an answer that nobody reads keeps its connection.
    response.body?.cancel().catch(() => undefined);
    return send();
  };
}

async function proofOf(
  { publicKey, privateKey }: KeyPair,
  htm: string,
  htu: string,
  nonce: string | undefined,
  accessToken: string | undefined,
): Promise<string> {
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey as Key);
  const claims = {
    jti: inBase64url(crypto.getRandomValues(new Uint8Array(16))),
    htm,
    htu,
    iat: Math.floor(Date.now() / 1000),
    nonce,
    ath: accessToken && inBase64url(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(accessToken))),
  };
  const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } };
  const signed = [header, claims].map((part) => inBase64url(new TextEncoder().encode(JSON.stringify(part)))).join('.');
  const signature = await crypto.subtle.sign(ECDSA, privateKey as Key, new TextEncoder().encode(signed));
  return `${signed}.${inBase64url(signature)}`;
}

const inBase64url = (bytes: ArrayBuffer | Uint8Array): string =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
