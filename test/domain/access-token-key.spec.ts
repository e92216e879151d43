import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import fc from 'fast-check';
import {
  type AccessTokenKey,
  accessTokenKeyOf,
  accessTokenKeyProblems,
  fingerprintOf,
  publicJwkOf,
  type RingKey,
  ringKeyOf,
} from '../../src/auth/domain/access-token-key';
import { isSignedBy, type Jws } from '../../src/guard/jws';

const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
const rsa = (modulusLength: number, publicExponent = 65537) =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent });

const GOOD = { ES256: ec('P-256'), EdDSA: generateKeyPairSync('ed25519'), RS256: rsa(2048) };
const OTHERS: Record<string, { privateKey: KeyObject; publicKey: KeyObject }> = {
  'P-384': ec('P-384'),
  secp256k1: ec('secp256k1'),
  Ed448: generateKeyPairSync('ed448'),
  X25519: generateKeyPairSync('x25519'),
  'RSA of 1024 bits': rsa(1024),
  'RSA with the exponent 3': rsa(2048, 3),
  'RSA-PSS': generateKeyPairSync('rsa-pss', { modulusLength: 2048 }),
};

/** Every text or bytes that a key may be given as. */
const formsOf = (key: KeyObject): [form: string, bytes: Buffer][] => {
  const type = key.type === 'private' ? 'pkcs8' : 'spki';
  const forms: [string, Buffer][] = [
    ['PEM', Buffer.from(key.export({ type, format: 'pem' } as { type: 'spki'; format: 'pem' }))],
    ['DER', key.export({ type, format: 'der' } as { type: 'spki'; format: 'der' })],
  ];
  // There is no JWK of RSA-PSS.
  return key.asymmetricKeyType === 'rsa-pss'
    ? forms
    : [...forms, ['JWK', Buffer.from(JSON.stringify(key.export({ format: 'jwk' })))]];
};
const kindOf = ({ secret, privateKey }: AccessTokenKey) =>
  secret !== undefined ? 'secret' : privateKey !== undefined ? 'private' : 'public';
/** What is wrong with the bytes where a key that signs comes before them. */
const problemOf = (key: AccessTokenKey) => accessTokenKeyProblems([{ kid: 'first', secret: Buffer.alloc(32, 1) }, key]);

describe('the bytes of an access-token key', () => {
  it.each(Object.entries(GOOD))('of %s are recognised in every form', (alg, { privateKey, publicKey }) => {
    for (const key of [privateKey, publicKey])
      for (const [form, bytes] of formsOf(key)) {
        const found = accessTokenKeyOf('k', bytes);
        expect([form, kindOf(found), problemOf(found)]).toEqual([form, key.type, []]);
        expect(ringKeyOf(found).alg).toBe(alg);
        expect(ringKeyOf(found).key.equals(createPublicKey(privateKey))).toBe(true);
      }
  });

  it('are those of the older PEMs, too', () => {
    const sec1 = Buffer.from(GOOD.ES256.privateKey.export({ type: 'sec1', format: 'pem' }));
    const pkcs1 = Buffer.from(GOOD.RS256.publicKey.export({ type: 'pkcs1', format: 'pem' }));
    expect([sec1, pkcs1].map((bytes) => kindOf(accessTokenKeyOf('k', bytes)))).toEqual(['private', 'public']);
    expect([sec1, pkcs1].flatMap((bytes) => problemOf(accessTokenKeyOf('k', bytes)))).toEqual([]);
  });

  // Seen red with what cannot be read taken for a secret: of 32 to 64 bytes, that was a start.
  it.each(Object.entries(OTHERS))(
    'of %s are refused by their kid, and are no secret',
    (_, { privateKey, publicKey }) => {
      for (const key of [privateKey, publicKey])
        for (const [form, bytes] of formsOf(key)) {
          const found = accessTokenKeyOf('k', bytes);
          expect([form, kindOf(found)]).not.toEqual([form, 'secret']);
          expect(problemOf(found)).toEqual([expect.stringMatching(/^k is no usable (private|public) key/)]);
        }
    },
  );

  it('that begin like a key and are none are refused, and are no secret', () => {
    const der = (length: number, content: number) => Buffer.concat([Buffer.of(0x30, length), Buffer.alloc(content, 7)]);
    const { privateKey } = GOOD.ES256;
    const encrypted = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open' });
    for (const bytes of [
      ...[
        '-----BEGIN',
        '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----',
        '-----BEGIN CERTIFICATE-----\nMIIB',
      ],
      ...['{', '{"kty":"EC","crv":"P-256"}', `{${'x'.repeat(40)}`, JSON.stringify({ kty: 'oct', k: 'A'.repeat(43) })],
      encrypted,
      Buffer.concat([Buffer.from('{'), randomBytes(31)]),
      der(30, 30),
      der(62, 62),
    ]) {
      const found = accessTokenKeyOf('k', Buffer.from(bytes));
      expect(kindOf(found)).not.toBe('secret');
      expect(problemOf(found)).toHaveLength(1);
    }
    // Not of exactly its length: no DER.
    for (const bytes of [der(29, 30), der(31, 30)]) expect(kindOf(accessTokenKeyOf('k', bytes))).toBe('secret');
  });

  it('are DER if they begin with a SEQUENCE of exactly their length, in up to three bytes', () => {
    const kind = (content: number, ...head: number[]) =>
      kindOf(accessTokenKeyOf('k', Buffer.concat([Buffer.from(head), Buffer.alloc(content, 7)])));
    for (const head of [
      [0x30, 30],
      [0x30, 0x81, 30],
      [0x30, 0x82, 0, 30],
      [0x30, 0x83, 0, 0, 30],
    ])
      expect([head, kind(30, ...head), kind(29, ...head), kind(31, ...head)]).toEqual([
        ...[head, 'public', 'secret', 'secret'],
      ]);
    expect(kind(30, 0x31, 30)).toBe('secret');
    expect(kind(128, 0x30, 0x80)).toBe('secret'); // of indefinite length: that is BER
    expect(kind(30, 0x30, 0x84, 0, 0, 0, 30)).toBe('secret');
    expect(kind(0, 0x30, 0x81)).toBe('secret');
    expect(kind(0, 0x30, 0x81, 0)).toBe('secret');
  });

  it('are a secret if they begin as nothing else', () => {
    const bytes = fc
      .uint8Array({ minLength: 32, maxLength: 64 })
      .filter(([first, second, ...more]) => first !== 0x7b && !(first === 0x30 && second === more.length));
    fc.assert(
      fc.property(bytes, (secret) => {
        const text = Buffer.from(secret).toString('latin1');
        const isText = /^[\w+/-]+={0,2}\s*$/.test(text);
        expect(accessTokenKeyOf('k', secret)).toEqual({ kid: 'k', secret });
        expect(problemOf({ kid: 'k', secret })).toHaveLength(isText ? 1 : 0);
      }),
    );
  });
});

describe('a key of the ring', () => {
  const secret = randomBytes(32);
  const { privateKey, publicKey } = GOOD.ES256;
  const signedBy = async (key: RingKey): Promise<Jws> => {
    const signed = 'header.payload';
    const signature = Buffer.from((await key.sign?.(signed)) ?? '', 'base64url');
    return { header: { alg: key.alg }, payload: Buffer.alloc(0), signed, signature };
  };

  it.each(Object.entries({ ...GOOD, HS256: null }))('of %s signs what it verifies', async (_, pair) => {
    const key = ringKeyOf({ kid: 'k', ...(pair === null ? { secret } : { privateKey: pair.privateKey }) });
    expect(isSignedBy(key, await signedBy(key))).toBe(true);
    const verifier = pair === null ? key : ringKeyOf({ kid: 'k', publicKey: pair.publicKey });
    expect(isSignedBy(verifier, await signedBy(key))).toBe(true);
    expect(verifier.sign === null).toBe(pair !== null);
  });

  it('is a fault where it is unusable', () => {
    expect(() => ringKeyOf({ kid: 'k', privateKey: publicKey })).toThrow(
      'The access-token key k is no usable private key',
    );
    expect(() => ringKeyOf({ kid: 'k', publicKey: '' })).toThrow('The access-token key k is no usable public key');
  });

  // RFC 7518 section 3.4: OpenSSL writes DER, which no verifier of tokens accepts.
  it('that signs elsewhere is verified before it is used', async () => {
    const elsewhere = (of: KeyObject, dsaEncoding: 'ieee-p1363' | 'der' = 'ieee-p1363') =>
      ringKeyOf({ kid: 'kms', publicKey, sign: (input) => sign('sha256', input, { key: of, dsaEncoding }) });
    const key = elsewhere(privateKey);
    expect(isSignedBy(ringKeyOf({ kid: 'k', publicKey }), await signedBy(key))).toBe(true);
    for (const wrong of [elsewhere(ec('P-256').privateKey), elsewhere(privateKey, 'der')])
      await expect(wrong.sign?.('text')).rejects.toThrow(
        "The signature for the access-token key kms is not one of its public key, in JOSE's form",
      );
  });

  it('is published with its algorithm, and a secret is not', () => {
    for (const [alg, pair] of Object.entries(GOOD)) {
      const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'k', alg, use: 'sig' };
      expect(publicJwkOf(ringKeyOf({ kid: 'k', privateKey: pair.privateKey }))).toEqual(jwk);
    }
    expect(publicJwkOf(ringKeyOf({ kid: 'k', secret }))).toBeNull();
  });

  it('has the fingerprint of its bytes, whichever half was given', () => {
    const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('base64url');
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    for (const half of [{ privateKey }, { publicKey }])
      expect(fingerprintOf(ringKeyOf({ kid: 'k', ...half }))).toBe(sha256(spki));
    expect(fingerprintOf(ringKeyOf({ kid: 'k', secret }))).toBe(sha256(secret));
  });
});

describe('a ring of access-token keys', () => {
  const { privateKey, publicKey } = GOOD.ES256;
  const jwk = (key: KeyObject, more: JsonWebKey = {}) => ({ ...key.export({ format: 'jwk' }), ...more });
  const other = ec('P-256').privateKey.export({ format: 'jwk' });

  it.each<[string, object, RegExp]>([
    ['a secret of 31 bytes', { secret: Buffer.alloc(31) }, /no secret of 32 to 64 bytes/],
    ['a secret of 65 bytes', { secret: Buffer.alloc(65) }, /no secret of 32 to 64 bytes/],
    ['a secret as a text', { secret: 'x'.repeat(32) }, /no secret of 32 to 64 bytes/],
    ['a secret that is base64', { secret: Buffer.from(randomBytes(32).toString('base64')) }, /itself base64 text/],
    ['a secret that is hexadecimal', { secret: Buffer.from(randomBytes(32).toString('hex')) }, /itself base64 text/],
    [
      'a public key as its secret',
      { secret: GOOD.EdDSA.publicKey.export({ type: 'spki', format: 'der' }) },
      /public key as its secret/,
    ],
    [
      'a private key as its secret',
      { secret: GOOD.EdDSA.privateKey.export({ type: 'pkcs8', format: 'der' }) },
      /private or public key as its secret/,
    ],
    ['nothing', {}, /not exactly one/],
    ['two kinds at once', { secret: Buffer.alloc(32), publicKey }, /not exactly one/],
    ['a public key as private', { privateKey: publicKey }, /no usable private key/],
    ['a private key as public', { publicKey: privateKey }, /no usable public key/],
    ['a private PEM as public', { publicKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) }, /no usable public/],
    ['a private JWK as public', { publicKey: jwk(privateKey) }, /no usable public key/],
    ['a JWK for encryption', { publicKey: jwk(publicKey, { use: 'enc' }) }, /for signatures/],
    ['a JWK for another algorithm', { publicKey: jwk(publicKey, { alg: 'ES384' }) }, /no usable public key/],
    ['a JWK that may not verify', { publicKey: jwk(publicKey, { key_ops: ['encrypt'] }) }, /no usable public key/],
    ['a JWK that may not sign', { privateKey: jwk(privateKey, { key_ops: ['verify'] }) }, /no usable private key/],
    [
      'a JWK whose public half is not of its private one',
      { privateKey: jwk(publicKey, { d: String(other.d) }) },
      /no usable private key/,
    ],
    ['a key that is a number', { privateKey: 7 }, /no usable private key/],
    ['a key that is null', { publicKey: null }, /no usable public key/],
    ['a way to sign beside a private key', { privateKey, sign: () => Buffer.alloc(64) }, /`sign`/],
    ['a way to sign that is none', { publicKey, sign: 'kms' }, /`sign`/],
  ])('with %s is refused, by kid', (_, entry, words) => {
    const [problem, ...others] = problemOf({ kid: 'the-kid', ...entry } as AccessTokenKey);
    expect(others).toEqual([]);
    expect(problem).toMatch(/^the-kid /);
    expect(problem).toMatch(words);
  });

  it('begins with a key that signs, here or elsewhere', () => {
    expect(accessTokenKeyProblems([{ kid: 'pub', publicKey }])).toEqual([
      'pub is a public key, which only verifies: it must not be first',
    ]);
    expect(accessTokenKeyProblems([{ kid: 'kms', publicKey, sign: () => Buffer.alloc(64) }])).toEqual([]);
    expect(
      accessTokenKeyProblems([
        { kid: 'own', privateKey },
        { kid: 'pub', publicKey },
      ]),
    ).toEqual([]);
  });

  it('is refused as a whole, with every key that is wrong', () => {
    const ring = [
      { kid: 'a', publicKey },
      { kid: 'b', secret: Buffer.alloc(8) },
      { kid: 'c', privateKey: OTHERS['P-384']!.privateKey },
    ];
    expect(accessTokenKeyProblems(ring).map((problem) => problem.slice(0, 2))).toEqual(['a ', 'b ', 'c ']);
  });

  it('takes the JWK of a signing key as others write it', () => {
    const own = jwk(privateKey, { use: 'sig', alg: 'ES256', kid: 'theirs', key_ops: ['sign'] });
    expect(accessTokenKeyProblems([{ kid: 'ours', privateKey: own }])).toEqual([]);
  });
});
