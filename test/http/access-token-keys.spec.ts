import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { newAccessTokenKey } from '../../src/new-keys';
import { type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';

const HS = `hs:${newAccessTokenKey('HS256')}`;
const ES = `es:${newAccessTokenKey('ES256')}`;

/** "Append, then move to the front, then remove": what the instances of each deployment have. */
const RINGS = [HS, `${HS},${ES}`, `${ES},${HS}`, ES];

describe('A change from HS256 to ES256', () => {
  let database: TestDatabase;
  let instances: TestApplication[];
  beforeAll(async () => {
    database = await testDatabase();
    instances = [];
    for (const ACCESS_TOKEN_KEYS of RINGS)
      instances.push(await startTestApplication({ database, env: { ACCESS_TOKEN_KEYS, DATABASE_POOL_SIZE: '4' } }));
  });
  afterAll(async () => {
    for (const instance of instances) await instance.close();
    await database.close();
  });

  const kidOf = (pair: Json) => decodeProtectedHeader(pair.accessToken).kid;
  const meAt = async (at: number, pair: Json) => (await instances[at]!.get('/auth/me', pair.accessToken)).status;
  const refreshedAt = async (at: number, pair: Json): Promise<Json> => {
    const { status, body } = await instances[at]!.refresh(pair.refreshToken);
    expect(status).toBe(200);
    return body;
  };

  // Seen red with the last key of the ring in the place of the first: the new key signed what the old instances do not know.
  it.each([
    ['there', [0, 1, 2, 3]],
    ['back', [3, 2, 1, 0]],
  ])('signs nobody out on the way %s, while two deployments run side by side', async (_way, stages) => {
    const [first = 0, ...later] = stages;
    let pair: Json = (await instances[first]!.logIn()).body;
    let before = first;
    for (const stage of later) {
      // Tokens cross in both directions, and a client meets the one instance and the other in turn.
      for (const at of [stage, before, stage]) {
        pair = await refreshedAt(at, pair);
        expect([kidOf(pair), await meAt(before, pair), await meAt(stage, pair)]).toEqual([
          at >= 2 ? 'es' : 'hs',
          200,
          200,
        ]);
      }
      before = stage;
    }
  });

  it('ends for access tokens with the removal of their key, and for no session', async () => {
    const pair: Json = (await instances[0]!.logIn()).body;
    expect(await meAt(3, pair)).toBe(401);
    const next = await refreshedAt(3, pair);
    expect([kidOf(next), await meAt(3, next), await meAt(0, next)]).toEqual(['es', 200, 401]);
  });
});

describe('A ring of several kinds', () => {
  const ed = generateKeyPairSync('ed25519');
  const spki = (format: 'pem' | 'der') => ed.publicKey.export({ type: 'spki', format: format as 'pem' });
  const pkcs8 = ed.privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64');
  let app: TestApplication;
  let token: string;
  let refusal: string;

  beforeAll(async () => {
    app = await startTestApplication({
      env: { ACCESS_TOKEN_KEYS: `ed:${pkcs8},${HS},${ES}`, EXPOSE_REFUSAL_REASON: 'false' },
    });
    token = (await app.logIn()).body.accessToken;
    refusal = await present('junk');
  });
  afterAll(() => app.close());

  /** Everything of the answer but its date. */
  async function present(bearer: string): Promise<string> {
    const response = await fetch(`${app.url}/auth/me`, { headers: { Authorization: `Bearer ${bearer}` } });
    const headers = [...response.headers].filter(([name]) => name !== 'date');
    return JSON.stringify([response.status, headers, await response.text()]);
  }
  const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const text = (header: object) => `${encode({ typ: 'at+jwt', ...header })}.${encode(decodeJwt(token))}`;
  const bySecret = (signed: string, secret: string | Buffer) =>
    `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  const byEd = (signed: string) => `${signed}.${sign(null, Buffer.from(signed), ed.privateKey).toString('base64url')}`;

  it('accepts what each of its keys signs, by its own algorithm', async () => {
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'EdDSA', typ: 'at+jwt', kid: 'ed' });
    const secret = Buffer.from(HS.slice(3), 'base64');
    for (const own of [
      token,
      byEd(text({ alg: 'EdDSA', kid: 'ed' })),
      bySecret(text({ alg: 'HS256', kid: 'hs' }), secret),
    ])
      expect(await present(own)).toMatch(/^\[200,/);
  });

  // Seen red with the token's algorithm in the place of the key's, and with a public key that was taken for a secret.
  it('answers every confusion of them like junk', async () => {
    const secret = Buffer.from(HS.slice(3), 'base64');
    const jwk = { ...ed.publicKey.export({ format: 'jwk' }), kid: 'ed' };
    const signature = token.split('.')[2]!;
    const confused = [
      ...['ed', 'es', 'hs', 'none'].flatMap((kid) => [
        ...[spki('pem'), String(spki('pem')).trim(), spki('der'), JSON.stringify(jwk), jwk.x!].flatMap((key) =>
          ['HS256', 'EdDSA', 'ES256'].map((alg) => bySecret(text({ alg, kid }), key)),
        ),
        ...['none', 'None', 'NONE', ''].flatMap((alg) => [
          `${text({ alg, kid })}.`,
          `${text({ alg, kid })}.${signature}`,
          text({ alg, kid }),
        ]),
      ]),
      ...['es', 'hs'].map((kid) => byEd(text({ alg: 'EdDSA', kid }))),
      ...['HS256', 'ES256', 'RS256', 'Ed25519'].map((alg) => byEd(text({ alg, kid: 'ed' }))),
      ...['ed', 'es'].map((kid) => bySecret(text({ alg: 'HS256', kid }), secret)),
      ...[{ jwk }, { jku: 'https://keys.example/jwks.json' }, { x5c: ['MIIB'] }, { crit: ['exp'] }].map((more) =>
        byEd(text({ alg: 'EdDSA', kid: 'ed', ...more })),
      ),
    ];
    const others: string[] = [];
    for (const bearer of confused) if ((await present(bearer)) !== refusal) others.push(bearer);
    expect(others).toEqual([]);
    expect(JSON.parse(refusal)[0]).toBe(401);
  });
});
