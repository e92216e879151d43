import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createLocalJWKSet, exportJWK, type JSONWebKeySet, jwtVerify, SignJWT } from 'jose';
import type { AccessTokenClaims, AccessTokenKey, AuthOptions } from '../../src';
import { JwtAccessTokenSigner } from '../../src/auth/infrastructure/jwt/jwt-access-token.signer';

const [issuer, audience] = ['https://app.example', 'https://api.example'];
const signerWith = (...accessTokenKeys: AccessTokenKey[]) =>
  new JwtAccessTokenSigner({
    accessTokenKeys,
    accessTokenIssuer: issuer,
    accessTokenAudience: audience,
  } as unknown as AuthOptions);

const CLAIMS: AccessTokenClaims = {
  sub: 'ann',
  sid: '0190a5c8-7b1a-7cde-8f01-23456789abcd',
  jti: '4b166dbe-d99d-4091-abdd-95b83330ed3a',
  iat: 1_763_640_000,
  exp: 1_763_640_900,
  roles: ['user'],
  stamps: { tokenVersion: 3, globalVersionAtIssuance: 7 },
};
const { stamps, ...rest } = CLAIMS;
const PAYLOAD = {
  ...rest,
  iss: issuer,
  aud: audience,
  gv: stamps.globalVersionAtIssuance,
  uv: stamps.tokenVersion,
};

const SECRET = Buffer.alloc(32, 1);
const pairs = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
};
type Asymmetric = keyof typeof pairs;
const ASYMMETRIC = Object.keys(pairs) as Asymmetric[];

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');
const textOf = (alg: string, kid: string, more = {}) =>
  `${encode({ alg, typ: 'at+jwt', kid, ...more })}.${encode(PAYLOAD)}`;
const hmac = (text: string, key: string | Buffer) =>
  `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;

/** The ring of every kind, of which the named one signs. */
const ringOf = (first: Asymmetric | 'HS256'): AccessTokenKey[] => {
  const ring: AccessTokenKey[] = [
    { kid: 'HS256', secret: SECRET },
    ...ASYMMETRIC.map((kid) => ({ kid, privateKey: pairs[kid].privateKey })),
  ];
  return ring.sort((one, other) => Number(other.kid === first) - Number(one.kid === first));
};

describe.each(ASYMMETRIC)('An access token by %s', (alg) => {
  const { privateKey, publicKey } = pairs[alg];
  const signer = signerWith(...ringOf(alg));
  const token = signer.sign(CLAIMS) as string;

  it('is signed at once, and read back as it was signed', () => {
    expect(typeof token).toBe('string');
    expect(signer.verify(token)).toEqual(CLAIMS);
    expect(signer.verify(`${token}A`)).toBeNull();
  });

  it('is a token to another library, which has the public keys alone, and the reverse', async () => {
    const { payload, protectedHeader } = await jwtVerify(
      token,
      createLocalJWKSet({ keys: signer.publicJwks() } as unknown as JSONWebKeySet),
      { issuer, audience, algorithms: [alg], typ: 'at+jwt', currentDate: new Date(CLAIMS.iat * 1000) },
    );
    expect([protectedHeader, payload]).toEqual([{ alg, typ: 'at+jwt', kid: alg }, PAYLOAD]);
    const theirs = new SignJWT(PAYLOAD).setProtectedHeader({ alg, typ: 'at+jwt', kid: alg });
    expect(signer.verify(await theirs.sign(privateKey))).toEqual(CLAIMS);
  });

  it.each<[string, (key: KeyObject, half: 'private' | 'public') => AccessTokenKey]>([
    ['KeyObjects', (key, half) => ({ kid: alg, [`${half}Key`]: key }) as unknown as AccessTokenKey],
    [
      'PEM',
      (key, half) =>
        ({
          kid: alg,
          [`${half}Key`]: key.export({ type: half === 'private' ? 'pkcs8' : 'spki', format: 'pem' }),
        }) as unknown as AccessTokenKey,
    ],
    ['JWK', (key, half) => ({ kid: alg, [`${half}Key`]: key.export({ format: 'jwk' }) }) as unknown as AccessTokenKey],
  ])('is the same by %s, and verified by the public half alone', (_form, entry) => {
    const made = signerWith(entry(privateKey, 'private')).sign(CLAIMS) as string;
    const verifier = signerWith({ kid: 'own', secret: SECRET }, entry(publicKey, 'public'));
    expect(verifier.verify(made)).toEqual(CLAIMS);
    expect(verifier.verify(token)).toEqual(CLAIMS);
  });

  // Seen red with the algorithm of the token in the place of the key's.
  it('is nothing under the kid of another kind, whatever algorithm it names', () => {
    const text = (kid: string, named: string) => textOf(named, kid);
    for (const kid of ['HS256', ...ASYMMETRIC])
      for (const named of ['HS256', 'none', ...ASYMMETRIC]) {
        const signed = text(kid, named);
        const hash = alg === 'EdDSA' ? null : 'sha256';
        const signature = sign(hash, Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
        const genuine = kid === alg && named === alg;
        const read = signer.verify(`${signed}.${signature.toString('base64url')}`);
        expect([kid, named, read]).toEqual([kid, named, genuine ? CLAIMS : null]);
      }
  });

  // Seen red with a public key that served as the secret of HS256.
  it('is nothing by HMAC with the public key as its secret, in any form, under any kid', async () => {
    const forms = [
      publicKey.export({ type: 'spki', format: 'pem' }),
      publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(await exportJWK(publicKey)),
      String(publicKey.export({ type: 'spki', format: 'pem' })).trim(),
    ];
    for (const key of forms)
      for (const kid of [alg, 'HS256'])
        for (const named of ['HS256', alg]) expect(signer.verify(hmac(textOf(named, kid), key))).toBeNull();
  });

  it('is nothing by the key of a stranger, embedded or pointed at', async () => {
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = { ...(await exportJWK(stranger.publicKey)), kid: alg };
    for (const more of [
      {},
      { jwk },
      { jku: 'https://keys.example' },
      { x5u: 'https://keys.example' },
      { x5c: ['MIIB'] },
    ]) {
      const header = { alg: 'ES256', typ: 'at+jwt', kid: alg, ...more };
      const own = await new SignJWT(PAYLOAD).setProtectedHeader(header).sign(stranger.privateKey);
      expect(signer.verify(own)).toBeNull();
    }
    const named = signerWith({ kid: alg, privateKey }).sign(CLAIMS) as string;
    const embedded = `${encode({ alg, typ: 'at+jwt', kid: alg, jwk })}.${named.split('.').slice(1).join('.')}`;
    expect(signer.verify(embedded)).toBeNull();
  });
});

describe('A signature of ES256', () => {
  const { privateKey } = pairs.ES256;
  const signer = signerWith({ kid: 'es', privateKey });
  const text = textOf('ES256', 'es');

  // Seen red without `dsaEncoding`.
  it('is r and s, and not DER', () => {
    const [, , signature] = (signer.sign(CLAIMS) as string).split('.');
    expect(Buffer.from(signature!, 'base64url')).toHaveLength(64);
    expect(signer.verify(`${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`)).toBeNull();
  });
});

describe('A ring of keys', () => {
  it('publishes its public keys in its order, and of none the private half', () => {
    const rings = [ringOf('EdDSA'), ringOf('HS256')];
    for (const ring of rings) {
      const published = signerWith(...ring).publicJwks();
      expect(published.map(({ kid }) => kid)).toEqual(ring.map(({ kid }) => kid).filter((kid) => kid !== 'HS256'));
      for (const jwk of published) {
        expect(jwk).toMatchObject({ alg: jwk.kid, use: 'sig' });
        for (const member of ['d', 'k', 'p', 'q', 'dp', 'dq', 'qi']) expect(jwk).not.toHaveProperty(member);
        expect(createPublicKey({ key: { ...jwk }, format: 'jwk' }).equals(pairs[jwk.kid as Asymmetric].publicKey)).toBe(
          true,
        );
        expect(() => createPrivateKey({ key: { ...jwk }, format: 'jwk' })).toThrow();
      }
    }
  });

  // Seen red with the last key in the place of the first.
  it('is signed with by its first key, whatever kinds it mixes', () => {
    for (const first of ['HS256', ...ASYMMETRIC] as const) {
      const [header] = (signerWith(...ringOf(first)).sign(CLAIMS) as string).split('.');
      expect(JSON.parse(Buffer.from(header!, 'base64url').toString())).toEqual({
        alg: first,
        typ: 'at+jwt',
        kid: first,
      });
    }
  });

  it('refuses to begin with a key that only verifies', () => {
    expect(() => signerWith({ kid: 'pub', publicKey: pairs.ES256.publicKey })).toThrow('pub, cannot sign');
  });
});
