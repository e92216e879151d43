import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { newAccessTokenKey } from '../../src/new-keys';
import { type Json, startTestApplication, type TestApplication } from '../support/app/test-application';

const KEY = Buffer.from(newAccessTokenKey('HS256'), 'base64');
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const publicPem = rsa.publicKey.export({ type: 'spki', format: 'pem' });

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const hmac = (text: string, key: string | Buffer, hash = 'sha256') =>
  createHmac(hash, key).update(text).digest('base64url');

/** What `dropped` leaves of `from`. */
const without = (from: object, dropped: string) =>
  Object.fromEntries(Object.entries(from).filter(([name]) => name !== dropped));

/** Every spelling of a word in capitals and small letters. */
const spellings = (word: string): string[] =>
  [...word].reduce<string[]>(
    (begun, letter) => begun.flatMap((text) => [text + letter.toLowerCase(), text + letter.toUpperCase()]),
    [''],
  );

describe('An access token', () => {
  let app: TestApplication;
  let pair: Json;
  let header: object;
  let claims: object;
  /** What junk is refused with: status, headers but for the date, body. */
  let refusal: string;

  beforeAll(async () => {
    app = await startTestApplication({
      env: { ACCESS_TOKEN_KEYS: `test:${KEY.toString('base64')}`, EXPOSE_REFUSAL_REASON: 'false' },
    });
    pair = (await app.logIn()).body;
    header = decodeProtectedHeader(pair.accessToken);
    claims = decodeJwt(pair.accessToken);
    refusal = await present('junk');
  });
  afterAll(() => app.close());

  const exchange = async (path: string, init: RequestInit) => {
    const response = await fetch(app.url + path, init);
    const headers = [...response.headers].filter(([name]) => name !== 'date');
    return JSON.stringify([response.status, headers, await response.text()]);
  };
  const present = (token: string) => exchange('/auth/me', { headers: { Authorization: `Bearer ${token}` } });
  const expectAccepted = async (token: string) => expect(await present(token)).toMatch(/^\[200,/);
  /** Whatever is wrong with them, the bytes of the answer do not tell. */
  const expectRefused = async (tokens: Iterable<string>) => {
    const others: [token: string, answer: string][] = [];
    for (const token of tokens) {
      const answer = await present(token);
      if (answer !== refusal) others.push([token, answer]);
    }
    expect(others).toEqual([]);
  };
  /** Signed with the application's own key: whatever is wrong with it, it is not the signature. */
  const signed = (head: object = header, body: unknown = claims, key: string | Buffer = KEY, hash?: string) => {
    const text = `${part(head)}.${part(body)}`;
    return `${text}.${hmac(text, key, hash)}`;
  };
  const pieces = () => pair.accessToken.split('.') as [string, string, string];

  it('counts as it was issued, and as whoever has the key would sign it', async () => {
    await expectAccepted(pair.accessToken);
    await expectAccepted(signed());
  });

  it('with `alg` none, in every spelling, does not count, signed or not', async () => {
    const [, body, signature] = pieces();
    await expectRefused(
      spellings('none').flatMap((alg) => {
        const head = part({ ...header, alg });
        return [`${head}.${body}.`, `${head}.${body}`, `${head}.${body}.${signature}`, signed({ ...header, alg })];
      }),
    );
  });

  it('of another algorithm does not count, whoever signed it and with what', async () => {
    const text = `${part({ ...header, alg: 'RS256' })}.${pieces()[1]}`;
    await expectRefused([
      `${text}.${sign('sha256', Buffer.from(text), rsa.privateKey).toString('base64url')}`,
      signed({ ...header, alg: 'RS256' }),
      signed({ ...header, alg: 'RS256' }, claims, publicPem),
      signed(header, claims, publicPem),
      signed({ ...header, alg: 'HS384' }, claims, KEY, 'sha384'),
      signed({ ...header, alg: 'HS512' }, claims, KEY, 'sha512'),
      signed({ ...header, alg: 'hs256' }),
      signed({ ...header, alg: ['HS256'] }),
      signed(without(header, 'alg')),
    ]);
  });

  it('that says more or less in its header does not count', async () => {
    const jwk = { kty: 'oct', k: KEY.toString('base64url') };
    await expectRefused([
      ...['test2', '', '../../dev/null', `' OR 1=1 --`, 7, null, ['test']].map((kid) => signed({ ...header, kid })),
      ...['JWT', 'AT+JWT', '', 'rt+jwt', null].map((typ) => signed({ ...header, typ })),
      ...['kid', 'typ'].map((name) => signed(without(header, name))),
      ...[{ crit: ['exp'] }, { jwk }, { jku: 'https://evil.example' }, { x5u: 'https://evil.example' }].map((more) =>
        signed({ ...header, ...more }),
      ),
      ...[{ b64: false, crit: ['b64'] }, { cty: 'JWT' }, { zip: 'DEF' }].map((more) => signed({ ...header, ...more })),
    ]);
  });

  it.each(['sub', 'sid', 'jti', 'iss', 'aud', 'iat', 'exp', 'gv', 'uv', 'roles'])(
    'without the claim %s, or with one of another type, does not count',
    async (name) => {
      expect(claims).toHaveProperty(name);
      const value = (claims as Json)[name];
      const others = [null, true, {}, [[]], typeof value === 'number' ? String(value) : 7, -1, 1.5, 'x'];
      await expectRefused([
        signed(header, without(claims, name)),
        // Any text is a `jti`.
        ...others
          .filter((other) => name !== 'jti' || other !== 'x')
          .map((other) => signed(header, { ...claims, [name]: other })),
      ]);
    },
  );

  // Seen red with confirmations that nobody knows passed over.
  it('with a confirmation, whatever it says, does not count as a bearer token', async () => {
    const confirmations = [
      { jkt: 'a thumbprint' },
      { 'x5t#S256': 'a' },
      { jkt: 'a', kid: 'b' },
      { jkt: 7 },
      {},
      [],
      null,
      'a',
    ];
    await expectRefused(confirmations.map((cnf) => signed(header, { ...claims, cnf })));
  });

  it('that is over, or older than any token lives, does not count', async () => {
    const now = Math.floor(Date.now() / 1000);
    await expectRefused([
      signed(header, { ...claims, exp: now - 1 }),
      signed(header, { ...claims, iat: now - 901, exp: now + 3600 }),
    ]);
  });

  it('whose payload is no object does not count', async () => {
    await expectRefused([null, [], 'text', 7].map((payload) => signed(header, payload)));
  });

  // Seen red without the check of the signature.
  it('of which one character differs, anywhere, does not count', async () => {
    const token: string = pair.accessToken;
    const mutants = [...token].map(
      (letter, at) => token.slice(0, at) + (letter === 'A' ? 'B' : 'A') + token.slice(at + 1),
    );
    // The last letter of a signature has two bits to spare: other letters spell the same bytes.
    const last = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']
      .filter((letter) => letter !== token.at(-1))
      .map((letter) => token.slice(0, -1) + letter);
    await expectRefused([
      ...mutants,
      ...last,
      token.slice(0, -1),
      token.slice(1),
      `${token}A`,
      `${token}.`,
      `${token}=`,
    ]);
    await expectAccepted(token);
  });

  it('is no refresh token, and a refresh token is none', async () => {
    await expectRefused([pair.refreshToken]);
    const refused = new Set<string>();
    for (const refreshToken of [pair.accessToken, signed(), `rt1_${pair.accessToken}`, 'rt1_', '']) {
      const answer = await exchange('/auth/refresh', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ refreshToken }),
      });
      refused.add(answer);
    }
    expect(refused.size).toBe(1);
    const [status, , body] = JSON.parse([...refused][0]!);
    expect([status, JSON.parse(body)]).toEqual([
      401,
      { type: 'about:blank', title: 'Unauthorized', status: 401, code: 'refresh_refused', recovery: 'reauthenticate' },
    ]);
    expect((await app.refresh(pair.refreshToken)).status).toBe(200);
  });

  it('is refused without a reason', () => {
    const [status, headers, body] = JSON.parse(refusal);
    expect([status, JSON.parse(body)]).toEqual([
      401,
      { type: 'about:blank', title: 'Unauthorized', status: 401, code: 'unauthorized', recovery: 'reauthenticate' },
    ]);
    expect(headers).toContainEqual(['www-authenticate', 'Bearer error="invalid_token"']);
  });
});
