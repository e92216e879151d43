import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { decodeProtectedHeader } from 'jose';
import { AccessTokenSigner, AuthEventLog, PasswordHasher } from '../../src';
import { AuthTestingModule, InMemoryUserDirectory } from '../../src/testing';
import { ask } from './support/host';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ANN = { email: 'ann@example.com', password: 'a long enough passphrase' };

/** As a key management service signs: not at once, and the private key is not here. */
const signs = async (input: Uint8Array): Promise<Uint8Array> =>
  sign('sha256', input, { key: privateKey, dsaEncoding: 'ieee-p1363' });

describe('an access-token key whose private half is elsewhere', () => {
  let app: INestApplication;
  let url: string;
  let service: typeof signs;

  beforeAll(async () => {
    const accessTokenKeys = [
      { kid: 'kms', publicKey, sign: (input: Uint8Array) => service(input) },
      { kid: 'old', secret: randomBytes(32) },
    ];
    const module = await Test.createTestingModule({
      imports: [AuthTestingModule.forRoot({ options: { accessTokenKeys } })],
    }).compile();
    app = module.createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
    const passwordHash = await app.get(PasswordHasher).hash(ANN.password);
    const id = '0197a2ff-0000-7000-8000-000000000001';
    await app.get(InMemoryUserDirectory).add({ id, email: ANN.email, roles: ['user'], isActive: true, passwordHash });
  });
  beforeEach(() => (service = signs));
  afterAll(() => app.close());

  const logIn = () => ask('POST', `${url}/auth/login`, ANN);
  const refresh = (refreshToken: string) => ask('POST', `${url}/auth/refresh`, { refreshToken });

  it('signs the tokens of logins and refreshes, which the guard accepts', async () => {
    const login = await logIn();
    const { status, body } = await refresh(login.body.refreshToken);
    expect([login.status, status]).toEqual([200, 200]);
    for (const { accessToken } of [login.body, body]) {
      expect(decodeProtectedHeader(accessToken)).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: 'kms' });
      expect((await ask('GET', `${url}/auth/me`, undefined, accessToken)).status).toBe(200);
    }
    expect(
      app
        .get(AccessTokenSigner, { strict: false })
        .publicJwks()
        .map(({ kid }) => kid),
    ).toEqual(['kms']);
  });

  // Seen red with the signature after the write: the token of the client was spent.
  it.each<[string, typeof signs]>([
    ['fails', () => Promise.reject(new Error('AccessDeniedException'))],
    [
      'throws',
      () => {
        throw new Error('no credentials');
      },
    ],
    [
      'signs with another key',
      async (input) => sign('sha256', input, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    ],
    ['signs in DER, as AWS KMS does', async (input) => sign('sha256', input, privateKey)],
    ['does not answer', () => new Promise(() => undefined)],
  ])('is answered with 503 and costs no client its token when the service %s', async (_, broken) => {
    const { body: pair } = await logIn();
    service = broken;
    const answers = [await refresh(pair.refreshToken), await logIn()];
    for (const { status, headers } of answers) expect([status, headers.get('Retry-After')]).toEqual([503, '1']);
    service = signs;
    const next = await refresh(pair.refreshToken);
    expect([next.status, next.body.generation]).toEqual([200, 1]);
    const { items } = await app
      .get(AuthEventLog)
      .find({ sessionId: pair.sessionId, type: 'auth.token_refresh.failed.v1' }, 10);
    expect(items.map(({ reason }) => reason)).toEqual(['overloaded']);
  });
});
