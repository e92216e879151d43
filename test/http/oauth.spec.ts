import { decodeJwt } from 'jose';
import { SessionRepository } from '../../src';
import { newAccessTokenKey } from '../../src/new-keys';
import { ADAPTERS } from '../support/adapters';
import { type Answer, startTestApplication, type TestApplication } from '../support/app/test-application';
import { guardHasLooked, statusOfMe } from './support/administration';
import { intercept } from './support/intercept';
import { basicOf, exchange, grantOf, introspect, postForm, revoke, SERVICE, WITH_SERVICE } from './support/oauth';
import { REFUSALS } from './support/refusals';
import { age, newRetryKey, openChain, rowOf, TRUSTING } from './support/sessions';
import { statementsOf } from './support/statements';

const DAY = 24 * 60 * 60;
const ISSUER = 'https://auth.example';
const RING = `es:${newAccessTokenKey('ES256')},hs:${newAccessTokenKey('HS256')},ed:${newAccessTokenKey('EdDSA')}`;

const expectNoStore = ({ headers }: Answer) => {
  expect([headers.get('Cache-Control'), headers.get('Pragma')]).toEqual(['no-store', 'no-cache']);
};

/** What RFC 6749 section 5.2 has in an error, and nothing else. */
const expectError = (answer: Answer, status: number, error: string) => {
  expect({ status: answer.status, body: answer.body }).toEqual({
    status,
    body: { error, error_description: expect.stringMatching(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/) },
  });
  expect(answer.headers.get('Content-Type')).toMatch(/^application\/json/);
  expectNoStore(answer);
};

describe.each(ADAPTERS)("OAuth's shapes on %s", (adapter) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({
      adapter,
      env: { ...TRUSTING, ...WITH_SERVICE, ACCESS_TOKEN_KEYS: RING, ACCESS_TOKEN_ISSUER: ISSUER },
    });
  });
  afterAll(() => app.close());

  describe('at the well-known places', () => {
    // Seen red with every key of the ring in the set: the HS256 secret was public.
    it('the public keys are in the order of the ring, and no member of a private key or of a secret', async () => {
      const { status, headers, body } = await app.get('/.well-known/jwks.json');
      expect([status, headers.get('Cache-Control')]).toEqual([200, 'max-age=300']);
      expect(body).toEqual({
        keys: [
          {
            kty: 'EC',
            crv: 'P-256',
            x: expect.any(String),
            y: expect.any(String),
            kid: 'es',
            alg: 'ES256',
            use: 'sig',
          },
          { kty: 'OKP', crv: 'Ed25519', x: expect.any(String), kid: 'ed', alg: 'EdDSA', use: 'sig' },
        ],
      });
    });

    it('the metadata say where everything is', async () => {
      const { status, body } = await app.get('/.well-known/oauth-authorization-server');
      expect(status).toBe(200);
      expect(body).toEqual({
        issuer: ISSUER,
        token_endpoint: `${ISSUER}/oauth/token`,
        revocation_endpoint: `${ISSUER}/oauth/revoke`,
        introspection_endpoint: `${ISSUER}/oauth/introspect`,
        jwks_uri: `${ISSUER}/.well-known/jwks.json`,
        grant_types_supported: ['refresh_token'],
        response_types_supported: [],
        token_endpoint_auth_methods_supported: ['none'],
        revocation_endpoint_auth_methods_supported: ['none'],
        introspection_endpoint_auth_methods_supported: ['client_secret_basic'],
        dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'RS256'],
      });
    });
  });

  describe('a refresh', () => {
    it('returns the pair in the names of RFC 6749, and is the one of /auth/refresh in everything else', async () => {
      const { sessionId, current } = await openChain(app);
      const answer = await exchange(app, current, { 'User-Agent': 'a client of OAuth' });
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({
        access_token: expect.any(String),
        token_type: 'Bearer',
        expires_in: 900,
        refresh_token: expect.stringMatching(/^rt1_/),
      });
      expectNoStore(answer);
      expect(decodeJwt(answer.body.access_token)).toMatchObject({ iss: ISSUER, client_id: 'app', sid: sessionId });
      expect(await rowOf(app, sessionId)).toMatchObject({ generation: 1, last_user_agent: 'a client of OAuth' });
      expect((await app.events({ sessionId })).at(-1)).toMatchObject({
        type: 'auth.token_refresh.succeeded.v1',
        user_agent: 'a client of OAuth',
      });
      expect((await app.refresh(answer.body.refresh_token)).status).toBe(200);
    });

    it('whose answer was lost returns the same successor: by its key at any time, without a key within the window', async () => {
      const headers = { 'Idempotency-Key': newRetryKey() };
      const [keyed, keyless] = [await openChain(app), await openChain(app)];
      const first = (await exchange(app, keyed.current, headers)).body;
      await age(app, keyed.sessionId, DAY);
      expect((await exchange(app, keyed.current, headers)).body.refresh_token).toBe(first.refresh_token);

      const again = (await exchange(app, keyless.current)).body;
      expect((await exchange(app, keyless.current)).body.refresh_token).toBe(again.refresh_token);
    });

    it('that must read its store again is 429, and nothing is touched', async () => {
      const { current, sessionId } = await openChain(app);
      await exchange(app, current, { 'Idempotency-Key': newRetryKey() });
      const before = await rowOf(app, sessionId);
      const answer = await exchange(app, current, { 'Idempotency-Key': newRetryKey() });
      expectError(answer, 429, 'temporarily_unavailable');
      expect(answer.headers.get('Retry-After')).toBe('1');
      expect(await rowOf(app, sessionId)).toEqual(before);
    });

    it('in which something breaks is 503, and the same request works later', async () => {
      const { current } = await openChain(app);
      const repair = intercept(app, SessionRepository, 'findForRefresh', () => {
        throw new Error('a fault');
      });
      const answer = await exchange(app, current);
      repair();
      expectError(answer, 503, 'temporarily_unavailable');
      expect(answer.headers.get('Retry-After')).toBe('1');
      expect((await exchange(app, current)).status).toBe(200);
    });

    // Seen red with each condition taken out of the controller.
    it.each<[string, (token: string) => string | Record<string, string>, string, Record<string, string>?]>([
      ['as JSON', (token) => JSON.stringify(grantOf(token)), 'invalid_request', { 'Content-Type': 'application/json' }],
      ['as plain text', (token) => `refresh_token=${token}`, 'invalid_request', { 'Content-Type': 'text/plain' }],
      [
        'as a form in another character set',
        grantOf,
        'invalid_request',
        { 'Content-Type': 'application/x-www-form-urlencoded; charset=utf-16' },
      ],
      ['with no body', () => '', 'invalid_request'],
      [
        'with two refresh tokens',
        (token) => `${new URLSearchParams(grantOf(token))}&refresh_token=${token}`,
        'invalid_request',
      ],
      ['with two grants', (token) => `${new URLSearchParams(grantOf(token))}&grant_type=password`, 'invalid_request'],
      ['with something unknown twice', (token) => `${new URLSearchParams(grantOf(token))}&a=1&a=2`, 'invalid_request'],
      ['without a grant', (token) => ({ ...grantOf(token), grant_type: '' }), 'invalid_request'],
      [
        'with the password grant',
        (token) => ({ ...grantOf(token), grant_type: 'password', username: 'a', password: 'b' }),
        'unsupported_grant_type',
      ],
      [
        'with a code',
        (token) => ({ ...grantOf(token), grant_type: 'authorization_code', code: 'c' }),
        'unsupported_grant_type',
      ],
      ['without a client', (token) => ({ ...grantOf(token), client_id: '' }), 'invalid_request'],
      ['of another client', (token) => ({ ...grantOf(token), client_id: 'App' }), 'invalid_client'],
      ['of a client with a secret', (token) => ({ ...grantOf(token), client_secret: 's' }), 'invalid_client'],
      ['without a token', () => grantOf(''), 'invalid_request'],
      ['for a scope', (token) => ({ ...grantOf(token), scope: 'openid' }), 'invalid_scope'],
      ['with a key that is none', grantOf, 'invalid_request', { 'Idempotency-Key': 'short' }],
    ])('%s is 400, and the session stays as it was', async (_name, formOf, error, headers = {}) => {
      const { current, sessionId } = await openChain(app);
      const before = await rowOf(app, sessionId);
      const form = formOf(current);
      const answer =
        typeof form === 'string'
          ? await app.request('POST', '/oauth/token', {
              body: form,
              headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
            })
          : await postForm(app, '/oauth/token', form, headers);
      expectError(answer, 400, error);
      expect(await rowOf(app, sessionId)).toEqual(before);
      expect(JSON.stringify(answer.body)).not.toContain(current);
    });

    it('of a client that authenticates is 401 with the challenge of its scheme', async () => {
      const { current } = await openChain(app);
      const answer = await exchange(app, current, basicOf({ name: 'app', secret: '' }));
      expectError(answer, 401, 'invalid_client');
      expect(answer.headers.get('WWW-Authenticate')).toMatch(/^Basic /);
    });

    it('larger than 16 KiB is 413', async () => {
      const answer = await exchange(app, 'x'.repeat(17 * 1024));
      expect([answer.status, answer.body.status]).toEqual([413, 413]);
    });

    it('with an access token, or with junk, is refused', async () => {
      const { body } = await app.logIn();
      for (const token of [body.accessToken, 'junk', `rt1_${'A'.repeat(92)}`])
        expectError(await exchange(app, token), 400, 'invalid_grant');
    });

    it('of a session in a cookie is refused', async () => {
      const { current, sessionId } = await openChain(app);
      await app.query(`UPDATE sessions SET delivery = 'cookie' WHERE id = $1`, [sessionId]);
      expectError(await exchange(app, current), 400, 'invalid_grant');
    });
  });

  describe('a revocation', () => {
    it.each(['refreshToken', 'accessToken'])(
      'by the newest %s ends the session, with the record of a log-out',
      async (kind) => {
        const { body: pair } = await app.logIn();
        const answer = await revoke(app, pair[kind]);
        expect([answer.status, answer.body]).toEqual([200, undefined]);
        expectNoStore(answer);
        expect(await rowOf(app, pair.sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
        const trail = await app.events({ sessionId: pair.sessionId });
        expect(trail.at(-1)).toMatchObject({ type: 'auth.logout.succeeded.v1' });
      },
    );

    it('by a superseded or an expired token ends the session, too, and its access tokens with it', async () => {
      const account = await app.register();
      const chain = await openChain(app, 2, { account });
      const { access_token: accessToken } = (await exchange(app, chain.current)).body;
      expect((await revoke(app, chain.tokens[0])).status).toBe(200);
      await guardHasLooked(app);
      expect(await statusOfMe(app, accessToken)).toBe(401);

      const expired = await openChain(app);
      await age(app, expired.sessionId, 8 * DAY);
      await revoke(app, expired.current);
      expect(await rowOf(app, expired.sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
    });

    // Seen red with 400 for a token that is not known (RFC 7009 section 2.2).
    it('of a token that is unknown, revoked or of another kind than its hint is 200', async () => {
      const { current, sessionId } = await openChain(app);
      for (const token of ['junk', `rt1_${'A'.repeat(92)}`, 'eyJhbGciOiJub25lIn0.e30.'])
        expect((await revoke(app, token)).status).toBe(200);
      for (const hint of ['access_token', 'saml', 'refresh_token']) {
        const form = { token: current, client_id: 'app', token_type_hint: hint };
        expect((await postForm(app, '/oauth/revoke', form)).status).toBe(200);
      }
      expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
    });

    it.each([
      ['without a token', { client_id: 'app' }, 'invalid_request'],
      ['of another client', { client_id: 'web' }, 'invalid_client'],
      ['without a client', {}, 'invalid_request'],
    ])('%s is 400, and ends nothing', async (name, form, error) => {
      const { current, sessionId } = await openChain(app);
      const answer = await postForm(app, '/oauth/revoke', {
        ...form,
        ...(name !== 'without a token' && { token: current }),
      });
      expectError(answer, 400, error);
      expect(await rowOf(app, sessionId)).toMatchObject({ revoked_at: null });
    });
  });

  describe('an introspection', () => {
    it('of an access token shows its user, its session and its end, without a query', async () => {
      const account = await app.register();
      const { accessToken, sessionId } = (await app.logIn(account)).body;
      const claims = decodeJwt(accessToken);
      let answer: Answer | undefined;
      const statements = await statementsOf(async () => {
        answer = await introspect(app, accessToken);
      });
      expect(statements).toEqual([]);
      expect(answer!.status).toBe(200);
      expect(answer!.body).toEqual({
        active: true,
        token_type: 'Bearer',
        client_id: 'app',
        iss: ISSUER,
        aud: 'ratchet',
        sub: account.id,
        sid: sessionId,
        exp: claims.exp,
        roles: ['user'],
        auth_time: claims.auth_time,
        amr: ['pwd'],
      });
      expectNoStore(answer!);
    });

    it('of a refresh token is the judgement of a refresh, without its effects', async () => {
      const { tokens, current, sessionId, account } = await openChain(app, 2);
      const before = await rowOf(app, sessionId);
      const { body } = await introspect(app, current);
      expect(body).toEqual({
        active: true,
        client_id: 'app',
        iss: ISSUER,
        sub: account.id,
        sid: sessionId,
        exp: Math.floor(before.expires_at.getTime() / 1000),
      });
      // The predecessor could be replayed; the one before would be a reuse, which a question is not.
      expect((await introspect(app, tokens[1]!)).body).toEqual(body);
      expect((await introspect(app, tokens[0])).body).toEqual({ active: false });
      expect(await rowOf(app, sessionId)).toEqual(before);
    });

    it('of a token that is not accepted shows that alone', async () => {
      const { refreshToken, accessToken } = (await app.logIn()).body;
      await revoke(app, refreshToken);
      await guardHasLooked(app);
      for (const token of [refreshToken, accessToken, `${accessToken}x`, 'junk', `rt1_${'A'.repeat(92)}`]) {
        const { status, body } = await introspect(app, token);
        expect({ status, body }).toEqual({ status: 200, body: { active: false } });
      }
    });

    it('without a token, or in JSON, is 400', async () => {
      expectError(await postForm(app, '/oauth/introspect', {}, basicOf(SERVICE)), 400, 'invalid_request');
      const json = await app.request('POST', '/oauth/introspect', { body: { token: 'a' }, headers: basicOf(SERVICE) });
      expectError(json, 400, 'invalid_request');
    });

    // Seen red without the guard: anyone could ask.
    it.each<[string, () => Record<string, string>]>([
      ['no credentials', () => ({})],
      ['a wrong secret', () => basicOf({ ...SERVICE, secret: `${SERVICE.secret}x` })],
      ['no secret', () => basicOf({ ...SERVICE, secret: '' })],
      ['an unknown name', () => basicOf({ ...SERVICE, name: 'Orders' })],
      ['another scheme', () => ({ Authorization: `Bearer ${Buffer.from('orders:x').toString('base64')}` })],
      ['what is no base64', () => ({ Authorization: 'Basic %%%' })],
      ['what has no colon', () => ({ Authorization: `Basic ${Buffer.from('orders').toString('base64')}` })],
      ['escapes that are none', () => basicOf({ ...SERVICE, name: 'orders%' })],
    ])('with %s is 401 with a challenge', async (_name, headers) => {
      const answer = await postForm(
        app,
        '/oauth/introspect',
        { token: (await app.logIn()).body.accessToken },
        headers(),
      );
      expectError(answer, 401, 'invalid_client');
      expect(answer.headers.get('WWW-Authenticate')).toMatch(/^Basic realm="ratchet"/);
    });

    it('accepts credentials that are encoded like fields of a form', async () => {
      const escaped = (text: string) => [...text].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join('');
      const as = { name: escaped(SERVICE.name), secret: escaped(SERVICE.secret) };
      expect((await introspect(app, 'junk', as)).status).toBe(200);
    });
  });

  it('a form is read there alone', async () => {
    const { email, password } = await app.register();
    expect((await postForm(app, '/auth/login', { email, password })).status).toBe(415);
    expect((await postForm(app, '/auth/register', { email, password })).status).toBe(415);
  });
});

describe('While reasons are hidden', () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ env: { EXPOSE_REFUSAL_REASON: 'false' } });
  });
  afterAll(() => app.close());

  it("every refusal of OAuth's refresh is the same answer, headers and all", async () => {
    const answers = new Map<string, string[]>();
    for (const { name, arrange } of REFUSALS) {
      const chain = await openChain(app, 2);
      const { status, headers, body } = await exchange(app, await arrange(app, chain));
      const text = JSON.stringify([status, [...headers].filter(([header]) => header !== 'date'), body]);
      answers.set(text, [...(answers.get(text) ?? []), name]);
    }
    // One refusal has no token at all, which is a form that lacks a parameter.
    const [empty, ...others] = REFUSALS.map(({ name }) => name);
    expect([...answers.values()]).toEqual([[empty], others]);
    const [, refusal] = answers.keys();
    expect(JSON.parse(refusal!)).toEqual([
      400,
      expect.anything(),
      { error: 'invalid_grant', error_description: 'the refresh token is not valid, or not any more' },
    ]);
  });
});

describe("The limits of auth's routes", () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({
      env: {
        ...TRUSTING,
        ...WITH_SERVICE,
        LIMIT_REFRESH_PER_SESSION: '2/1h',
        LIMIT_INVALID_PER_IP: '2/1h',
        LIMIT_LOGOUT_PER_IP: '2/1h',
      },
    });
  });
  afterAll(() => app.close());

  const expectThrottled = (answer: Answer) => {
    expectError(answer, 429, 'temporarily_unavailable');
    expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(1800);
  };

  it('apply to refreshes: of one session, by whichever route', async () => {
    const { current, sessionId } = await openChain(app, 1);
    const { refresh_token: newest } = (await exchange(app, current)).body;
    expectThrottled(await exchange(app, newest));
    expect((await app.refresh(newest)).status).toBe(429);
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 2 });
  });

  it('apply to junk and to revocations that end nothing, by address', async () => {
    const from = { 'X-Forwarded-For': '198.51.100.1' };
    for (let time = 0; time < 2; time++) {
      expectError(await exchange(app, 'junk', from), 400, 'invalid_grant');
      expect((await revoke(app, 'junk', from)).status).toBe(200);
    }
    expectThrottled(await exchange(app, 'junk', from));
    expectThrottled(await revoke(app, 'junk', from));
    const { current, sessionId } = await openChain(app);
    expect((await revoke(app, current, from)).status).toBe(200);
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
  });

  it('apply to wrong secrets of services, by address; a right one passes', async () => {
    const ask = (secret: string, ip: string) =>
      postForm(app, '/oauth/introspect', { token: 'a' }, { ...basicOf({ ...SERVICE, secret }), 'X-Forwarded-For': ip });
    for (let time = 0; time < 2; time++) expect((await ask('wrong', '198.51.100.2')).status).toBe(401);
    expectThrottled(await ask('wrong', '198.51.100.2'));
    expect((await ask(SERVICE.secret, '198.51.100.2')).status).toBe(200);
    expect((await ask('wrong', '198.51.100.3')).status).toBe(401);
  });
});

describe('With OAUTH_ENABLED=false', () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ env: { OAUTH_ENABLED: 'false', ACCESS_TOKEN_ISSUER: 'ratchet' } });
  });
  afterAll(() => app.close());

  it('there is none of the routes, and no client in an access token', async () => {
    expect((await app.get('/.well-known/jwks.json')).status).toBe(404);
    expect((await app.get('/.well-known/oauth-authorization-server')).status).toBe(404);
    const { body } = await app.logIn();
    expect((await app.post('/oauth/token', grantOf(body.refreshToken))).status).toBe(404);
    expect(decodeJwt(body.accessToken)).not.toHaveProperty('client_id');
  });
});
