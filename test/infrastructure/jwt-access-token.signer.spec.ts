import { createHmac, createPublicKey, generateKeyPairSync, sign as signWith } from 'node:crypto';
import fc from 'fast-check';
import { decodeProtectedHeader, exportJWK, jwtVerify, SignJWT } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import type { AccessTokenClaims, AuthOptions } from '../../src';
import { RefreshTokenKeyRing } from '../../src/auth/domain/refresh-token';
import { JwtAccessTokenSigner } from '../../src/auth/infrastructure/jwt/jwt-access-token.signer';

const SECRET = Buffer.alloc(32, 1);
const RETIRED = Buffer.alloc(32, 2);
const ISSUER = 'https://app.example';
const AUDIENCE = 'https://api.example';

/** None of these keys signs elsewhere, so each token is there at once. */
type SignsAtOnce = { sign(claims: AccessTokenClaims): string } & JwtAccessTokenSigner;

const signerWith = (...accessTokenKeys: AuthOptions['accessTokenKeys'][number][]) =>
  new JwtAccessTokenSigner({
    accessTokenKeys,
    accessTokenIssuer: ISSUER,
    accessTokenAudience: AUDIENCE,
  } as unknown as AuthOptions) as SignsAtOnce;

const signer = signerWith({ kid: 'new', secret: SECRET }, { kid: 'old', secret: RETIRED });

const CLAIMS: AccessTokenClaims = {
  sub: '0190a5c8-0000-7000-8000-000000000001',
  sid: '0190a5c8-7b1a-7cde-8f01-23456789abcd',
  jti: '4b166dbe-d99d-4091-abdd-95b83330ed3a',
  iat: 1_763_640_000,
  exp: 1_763_640_900,
  roles: ['user'],
  stamps: { tokenVersion: 3, globalVersionAtIssuance: 7 },
};
const HEADER = { alg: 'HS256', typ: 'at+jwt', kid: 'new' };
const { stamps, ...rest } = CLAIMS;
const PAYLOAD = {
  ...rest,
  iss: ISSUER,
  aud: AUDIENCE,
  gv: stamps.globalVersionAtIssuance,
  uv: stamps.tokenVersion,
};

const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');
/** A token as whoever holds the key could make it. */
function forged(header: unknown = HEADER, payload: unknown = PAYLOAD, secret = SECRET, hash = 'sha256'): string {
  const signed = `${encode(header)}.${encode(payload)}`;
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`;
}
const without = (name: string) => Object.fromEntries(Object.entries(PAYLOAD).filter(([key]) => key !== name));

describe('an access token', () => {
  const genuine = signer.sign(CLAIMS);

  it('is read back as it was signed', () => {
    const seconds = fc.integer({ min: 1, max: 2 ** 40 });
    const version = fc.integer({ min: 0, max: 2 ** 31 - 1 });
    // JSON.stringify writes -0 as 0.
    const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);
    const anyClaims = fc.record(
      {
        sub: fc.oneof(fc.uuid(), fc.nat().map(String), fc.stringMatching(/^[\w /@.'ö-]{1,128}$/)),
        sid: fc.uuid({ version: 7 }),
        jti: fc.uuid(),
        iat: seconds,
        exp: seconds,
        roles: fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 5 }),
        stamps: fc.record({ tokenVersion: version, globalVersionAtIssuance: version }, { noNullPrototype: true }),
        email: fc.emailAddress(),
        authTime: seconds,
        amr: fc.array(fc.string({ minLength: 1 }), { maxLength: 3 }),
        acr: fc.string(),
        act: fc.record({ sub: fc.uuid(), uv: version }, { noNullPrototype: true }),
        claims: fc.dictionary(fc.constantFrom('tenant', 'plan', 'https://example.com/a'), json, {
          minKeys: 1,
          noNullPrototype: true,
        }),
      },
      { requiredKeys: ['sub', 'sid', 'jti', 'iat', 'exp', 'roles', 'stamps'], noNullPrototype: true },
    );
    fc.assert(fc.property(anyClaims, (claims) => expect(signer.verify(signer.sign(claims))).toEqual(claims)));
  });

  // Seen red with the host's claims after ours.
  it('says nothing of its own differently, whatever claims the host has', () => {
    const taken = Object.fromEntries(Object.keys(PAYLOAD).map((name) => [name, 'taken']));
    const claims = { ...taken, auth_time: 1, act: { sub: CLAIMS.sub, uv: 1 }, tenant: 'a' };
    const read = signer.verify(signer.sign({ ...CLAIMS, claims }));
    expect(read).toEqual({ ...CLAIMS, claims: { tenant: 'a' } });
  });

  // Seen red without the freezing: the claims of the next request with the same token were another handler's.
  it('lets no handler change the claims that are remembered', () => {
    const read = signer.verify(signer.sign({ ...CLAIMS, claims: { tenant: { rights: ['read'] } } }));
    const { rights } = read!.claims!.tenant as { rights: string[] };
    expect(() => rights.push('write')).toThrow(TypeError);
    const acting = signer.verify(signer.sign({ ...CLAIMS, act: { sub: CLAIMS.sub, uv: 1 } }));
    expect(() => Object.assign(acting!.act!, { sub: 'somebody' })).toThrow(TypeError);
  });

  it.each([
    ['auth_time', 'now'],
    ['auth_time', -1],
    ['amr', 'pwd'],
    ['amr', [1]],
    ['acr', 2],
  ])('is nothing with the %s %j', (name, value) => {
    expect(signer.verify(forged(HEADER, { ...PAYLOAD, [name]: value }))).toBeNull();
  });

  it('has the claims and the header of RFC 9068 and of the two stamps, and no others', () => {
    const [header, payload] = genuine.split('.').map((part) => Buffer.from(part, 'base64url').toString());
    expect(JSON.parse(header!)).toEqual(HEADER);
    expect(JSON.parse(payload!)).toEqual(PAYLOAD);
    expect(forged()).toHaveLength(genuine.length);
    expect(signer.verify(forged())).toEqual(CLAIMS);
  });

  it('is a token to another library, too', async () => {
    const { payload, protectedHeader } = await jwtVerify(genuine, SECRET, {
      issuer: ISSUER,
      audience: AUDIENCE,
      algorithms: ['HS256'],
      typ: 'at+jwt',
      currentDate: new Date(CLAIMS.iat * 1000),
    });
    expect([protectedHeader, payload]).toEqual([HEADER, PAYLOAD]);
    const theirs = await new SignJWT(PAYLOAD).setProtectedHeader(HEADER).sign(SECRET);
    expect(signer.verify(theirs)).toEqual(CLAIMS);
  });

  it('is read whether it has expired or not: the database’s clock decides that', () => {
    for (const exp of [0, CLAIMS.iat, 2 ** 40]) expect(signer.verify(signer.sign({ ...CLAIMS, exp }))?.exp).toBe(exp);
  });

  it('is nothing with any one of its characters changed', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const signatureAt = genuine.lastIndexOf('.') + 1;
    const survivors: string[] = [];
    for (let at = 0; at < genuine.length; at++) {
      const place = alphabet.indexOf(genuine[at]!);
      // Before the signature a change of each bit is enough; in it, a second spelling of the same bytes might hide.
      const flipped = [1, 2, 4, 8, 16, 32].map((bit) => alphabet[(place ^ bit) & 63]).join('');
      for (const character of `${at < signatureAt ? flipped : alphabet}.=+/ `) {
        const mutant = genuine.slice(0, at) + character + genuine.slice(at + 1);
        if (mutant !== genuine && signer.verify(mutant) !== null) survivors.push(mutant);
      }
    }
    expect(survivors).toEqual([]);
  });

  it('is nothing when it is cut, continued or respelled', () => {
    const [header, payload, signature] = genuine.split('.') as [string, string, string];
    const respelled = [
      `${genuine}=`,
      `${genuine}.`,
      `${genuine}A`,
      ` ${genuine}`,
      `${genuine}\n`,
      `Bearer ${genuine}`,
      `${header}.${payload}`,
      `${header}.${payload}.`,
      `${header}..${signature}`,
      `.${payload}.${signature}`,
      `${header}.${payload}.${signature}.${signature}`,
      `${header}.${payload}.${signature.slice(0, 22)}`,
      `${header}.${payload}.${Buffer.from(signature, 'base64url').toString('base64')}`,
      JSON.stringify({ payload, signatures: [{ protected: header, signature }] }),
    ];
    for (let length = 0; length < genuine.length; length++) respelled.push(genuine.slice(0, length));
    expect(respelled.filter((token) => signer.verify(token) !== null)).toEqual([]);
  });

  it('is nothing that is none, and reading it never throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => expect(signer.verify(text)).toBeNull()));
    const part = fc.oneof(
      fc.base64String(),
      fc.json().map((json) => Buffer.from(json).toString('base64url')),
    );
    fc.assert(fc.property(part, part, part, (...parts) => expect(signer.verify(parts.join('.'))).toBeNull()));
    expect(signer.verify('e30.'.repeat(100_000))).toBeNull();
  });

  describe('with another algorithm (RFC 8725, 3.1)', () => {
    // Seen red without the comparison of the header's algorithm with the key's.
    it('is nothing: none, in all its spellings, with any signature', () => {
      const spellings = Array.from({ length: 16 }, (_, bits) =>
        [...'none'].map((letter, at) => (bits & (1 << at) ? letter.toUpperCase() : letter)).join(''),
      );
      expect(new Set(spellings).size).toBe(16);
      for (const alg of [...spellings, '', ' none', 'none ', null, undefined, [], ['none'], 0, false]) {
        const unsigned = `${encode({ ...HEADER, alg })}.${encode(PAYLOAD)}`;
        for (const token of [`${unsigned}.`, unsigned, `${unsigned}.${genuine.split('.')[2]!}`]) {
          expect(signer.verify(token)).toBeNull();
        }
        expect(signer.verify(forged({ ...HEADER, alg }))).toBeNull();
      }
    });

    it.each([
      ['HS384', 'sha384'],
      ['HS512', 'sha512'],
      ['hs256', 'sha256'],
      ['Hs256', 'sha256'],
      ['HS256 ', 'sha256'],
    ])('is nothing: %s, correctly signed', (alg, hash) => {
      expect(signer.verify(forged({ ...HEADER, alg }, PAYLOAD, SECRET, hash))).toBeNull();
    });

    it('is nothing: asymmetric ones, signed by a stranger, or keyed with a public key', async () => {
      const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const pem = publicKey.export({ type: 'spki', format: 'pem' });
      for (const alg of ['RS256', 'RS512', 'PS256', 'ES256', 'EdDSA']) {
        const signed = `${encode({ ...HEADER, alg })}.${encode(PAYLOAD)}`;
        const signature = signWith('sha256', Buffer.from(signed), privateKey).toString('base64url');
        expect(signer.verify(`${signed}.${signature}`)).toBeNull();
        expect(signer.verify(forged({ ...HEADER, alg }))).toBeNull();
      }
      expect(signer.verify(forged(HEADER, PAYLOAD, Buffer.from(pem)))).toBeNull();

      const jwk = await exportJWK(createPublicKey(pem));
      const own = await new SignJWT(PAYLOAD).setProtectedHeader({ ...HEADER, alg: 'RS256', jwk }).sign(privateKey);
      expect(signer.verify(own)).toBeNull();
    });
  });

  describe('with another header', () => {
    const oct = { kty: 'oct', k: SECRET.toString('base64url') };
    // Seen red with a header that may say more than ours do.
    it.each<[string, Record<string, unknown>]>([
      ['crit of something unknown', { crit: ['exp'], exp: 1 }],
      ['crit of b64', { crit: ['b64'], b64: true }],
      ['an empty crit', { crit: [] }],
      ['an embedded key', { jwk: oct }],
      ['the address of keys', { jku: 'https://keys.example/jwks.json' }],
      ['the address of a certificate', { x5u: 'https://keys.example/cert.pem' }],
      ['a certificate', { x5c: ['MIIB'] }],
      ['the thumbprint of a certificate', { x5t: 'abc', 'x5t#S256': 'abc' }],
      ['compression', { zip: 'DEF' }],
      ['a content type', { cty: 'JWT' }],
      ['a prototype', { ['__proto__']: { kid: 'new' } }],
      ['anything else', { foo: 'bar' }],
    ])('is nothing, although it is correctly signed: %s', (_what, more) => {
      expect(signer.verify(forged({ ...HEADER, ...more }))).toBeNull();
    });

    it.each(['JWT', 'jwt', 'at+JWT', 'AT+jwt', 'application/at+jwt', 'at+jwt ', '', 1, null, undefined, ['at+jwt']])(
      'is nothing with the typ %p (RFC 8725, 3.11)',
      (typ) => {
        expect(signer.verify(forged({ ...HEADER, typ }))).toBeNull();
      },
    );

    it.each([
      ...['unknown', 'NEW', 'new ', '', '../../dev/null', "' OR 1=1 --", 'toString'],
      ...['__proto__', 'constructor', 0, null, undefined, ['new'], { kid: 'new' }],
    ])('is nothing with the kid %p, whatever key it was signed with', (kid) => {
      for (const secret of [SECRET, RETIRED, Buffer.alloc(0), Buffer.alloc(32)]) {
        expect(signer.verify(forged({ ...HEADER, kid }, PAYLOAD, secret))).toBeNull();
      }
    });

    it.each(['HS256', 1, true, [], [HEADER], {}])('is nothing with the header %j', (header) => {
      expect(signer.verify(forged(header))).toBeNull();
    });
  });

  describe('with other claims', () => {
    it.each(Object.keys(PAYLOAD))('is nothing without %s', (name) => {
      expect(signer.verify(forged(HEADER, without(name)))).toBeNull();
    });

    const notText = [null, 0, 1, true, [], {}, ['text']];
    const notUuid = [
      ...notText,
      '',
      'admin',
      CLAIMS.sub.slice(1),
      `${CLAIMS.sub}0`,
      ` ${CLAIMS.sub}`,
      `{${CLAIMS.sub}}`,
    ];
    const notCount = [null, true, '1', '', -1, 1.5, 2 ** 53, 1e300, [], [1], {}];
    const wrong: [name: string, values: unknown[]][] = [
      ['nbf', [0, CLAIMS.iat, 2 ** 40, null]],
      ['sub', [...notText, '', 'x'.repeat(129), 'a\nb']],
      ['sid', notUuid],
      ['jti', notText],
      ['iat', notCount],
      ['exp', notCount],
      ['gv', notCount],
      ['uv', notCount],
      ['roles', [null, 'admin', 1, true, {}, { 0: 'admin', length: 1 }, [1], [null], [['admin']], ['user', 1]]],
      ['email', notText],
      ['iss', [...notText, '', 'https://app.example/', 'HTTPS://APP.EXAMPLE', [ISSUER], AUDIENCE]],
      [
        'act',
        [
          ...notText,
          { sub: CLAIMS.sub },
          { uv: 1 },
          ...notCount.map((uv) => ({ sub: CLAIMS.sub, uv })),
          ...[...notText, ''].map((sub) => ({ sub, uv: 1 })),
          { sub: CLAIMS.sub, uv: 1, act: { sub: CLAIMS.sub, uv: 1 } },
          { sub: CLAIMS.sub, uv: 1, iss: ISSUER },
        ],
      ],
      [
        'aud',
        [...notText, '', 'https://api.example/', 'https://api', ISSUER, ['https://other.example'], { 0: AUDIENCE }],
      ],
    ];
    it.each(wrong)('is nothing with another type or value of %s', (name, values) => {
      const survivors = values.filter((value) => signer.verify(forged(HEADER, { ...PAYLOAD, [name]: value })) !== null);
      expect(survivors).toEqual([]);
    });

    it('is nothing when they are no claims at all, or hide in a prototype', () => {
      for (const payload of ['text', 1, null, true, [], [PAYLOAD], {}]) {
        expect(signer.verify(forged(HEADER, payload))).toBeNull();
      }
      const hidden =
        encode(HEADER) + '.' + Buffer.from(`{"__proto__":${JSON.stringify(PAYLOAD)}}`).toString('base64url');
      const signature = createHmac('sha256', SECRET).update(hidden).digest('base64url');
      expect(signer.verify(`${hidden}.${signature}`)).toBeNull();
    });
  });

  describe('and the ring of keys', () => {
    const onlyOld = signerWith({ kid: 'old', secret: RETIRED });

    it('is signed by the first key, and says so', () => {
      expect(decodeProtectedHeader(genuine)).toMatchObject({ kid: 'new' });
      expect(decodeProtectedHeader(onlyOld.sign(CLAIMS))).toMatchObject({ kid: 'old' });
    });

    it('still counts when its key signs no more, and not when the key is gone', () => {
      expect(signer.verify(onlyOld.sign(CLAIMS))).toEqual(CLAIMS);
      expect(onlyOld.verify(genuine)).toBeNull();
    });

    it('is nothing when it names one key of the ring and was signed by another', () => {
      expect(signer.verify(forged({ ...HEADER, kid: 'old' }, PAYLOAD, SECRET))).toBeNull();
      expect(signer.verify(forged({ ...HEADER, kid: 'new' }, PAYLOAD, RETIRED))).toBeNull();
      expect(signer.verify(forged({ ...HEADER, kid: 'old' }, PAYLOAD, RETIRED))).toEqual(CLAIMS);
    });

    it('needs at least one key', () => {
      expect(() => signerWith()).toThrow('At least one');
    });

    it('publishes no secret', () => {
      expect(signer.publicJwks()).toEqual([]);
    });
  });

  it('is no refresh token, and a refresh token no access token, even under one key', () => {
    const keys = new RefreshTokenKeyRing([{ id: 1, root: SECRET }]);
    const refreshToken = keys.seal(keys.first(uuidv7()));
    expect(signer.verify(refreshToken)).toBeNull();
    expect(
      signer.verify(`${refreshToken.slice(0, 40)}.${refreshToken.slice(40, 70)}.${refreshToken.slice(70)}`),
    ).toBeNull();
    for (const token of [
      genuine,
      genuine.slice(0, 96),
      `rt1_${genuine}`,
      `rt1_${genuine.replaceAll('.', '').slice(0, 92)}`,
    ]) {
      expect(keys.open(token)).toBeNull();
    }
  });
});
