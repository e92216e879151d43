import { randomUUID } from 'node:crypto';
import { createRemoteJWKSet, exportJWK, jwtVerify, SignJWT } from 'jose';
import { passportJwtSecret } from 'jwks-rsa';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { newAccessTokenKey } from '../../src/new-keys';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { freePort } from '../support/free-port';
import { guardHasLooked } from './support/administration';
import { SERVICE, WITH_SERVICE } from './support/oauth';
import { age, newRetryKey, rowOf } from './support/sessions';

const AUDIENCE = 'ratchet';
const DAY = 24 * 60 * 60;
const ALGORITHMS = ['ES256', 'RS256'] as const;

/** Plain http, which these clients speak only when they are asked to. */
// eslint-disable-next-line @typescript-eslint/no-deprecated -- marked so that it is noticed; a test has no TLS
const http = { [oauth.allowInsecureRequests]: true };

let app: TestApplication;
beforeAll(async () => {
  const port = await freePort();
  app = await startTestApplication({
    env: {
      ...WITH_SERVICE,
      PORT: String(port),
      PUBLIC_ORIGIN: `http://127.0.0.1:${port}`,
      ACCESS_TOKEN_KEYS: `es:${newAccessTokenKey('ES256')},hs:${newAccessTokenKey('HS256')},rs:${newAccessTokenKey('RS256')}`,
    },
  });
});
afterAll(() => app.close());

const logIn = async (): Promise<{ accessToken: string; refreshToken: string; sessionId: string }> =>
  (await app.logIn()).body;

/** A login whose session is bound to the key of an unmodified client. */
async function logInBound({
  publicKey,
  privateKey,
}: oauth.CryptoKeyPair): Promise<{ refreshToken: string; sessionId: string }> {
  const { email, password } = await app.register();
  const url = `${app.url}/auth/login`;
  const logInWith = async (nonce?: string) => {
    const proof = new SignJWT({ jti: randomUUID(), htm: 'POST', htu: url, ...(nonce !== undefined && { nonce }) })
      .setIssuedAt()
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: await exportJWK(publicKey) });
    return app.post('/auth/login', { email, password }, { DPoP: await proof.sign(privateKey) });
  };
  const challenge = await logInWith();
  const answer = await logInWith(challenge.headers.get('DPoP-Nonce')!);
  expect(answer.status).toBe(200);
  return answer.body;
}

describe('oauth4webapi, unmodified,', () => {
  const client: oauth.Client = { client_id: 'app' };
  let server: oauth.AuthorizationServer;
  beforeAll(async () => {
    const issuer = new URL(app.url);
    const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...http });
    server = await oauth.processDiscoveryResponse(issuer, answer);
  });

  const refreshed = async (refreshToken: string, headers: Record<string, string> = {}) => {
    const options = { ...http, headers };
    const answer = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), refreshToken, options);
    return oauth.processRefreshTokenResponse(server, client, answer);
  };

  it('discovers, refreshes, and repeats a refresh whose answer was lost', async () => {
    const { refreshToken, sessionId } = await logIn();
    const first = await refreshed(refreshToken);
    expect(first).toMatchObject({ token_type: 'bearer', expires_in: 900 });
    expect((await refreshed(refreshToken)).refresh_token).toBe(first.refresh_token);

    const headers = { 'Idempotency-Key': newRetryKey() };
    const second = await refreshed(first.refresh_token!, headers);
    await age(app, sessionId, DAY);
    expect((await refreshed(first.refresh_token!, headers)).refresh_token).toBe(second.refresh_token);
  });

  it('refreshes a bound session, with the nonce that it is asked for', async () => {
    const pair = await oauth.generateKeyPair('ES256');
    const { refreshToken, sessionId } = await logInBound(pair);
    const DPoP = oauth.DPoP(client, pair);
    const exchanged = async (token: string) => {
      const answer = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), token, { ...http, DPoP });
      return oauth.processRefreshTokenResponse(server, client, answer);
    };
    const challenge: unknown = await exchanged(refreshToken).catch((error: unknown) => error);
    expect(oauth.isDPoPNonceError(challenge)).toBe(true);
    const first = await exchanged(refreshToken);
    expect(first).toMatchObject({ token_type: 'bearer' });
    await age(app, sessionId, DAY);
    expect((await exchanged(refreshToken)).refresh_token).toBe(first.refresh_token);
    await expect(refreshed(first.refresh_token!)).rejects.toMatchObject({ error: 'invalid_grant' });
    expect((await exchanged(first.refresh_token!)).refresh_token).not.toBe(first.refresh_token);
  });

  it('reads a refusal as OAuth has it', async () => {
    await expect(refreshed('junk')).rejects.toMatchObject({ error: 'invalid_grant', status: 400 });
    const other = oauth.refreshTokenGrantRequest(server, { client_id: 'web' }, oauth.None(), 'junk', http);
    await expect(oauth.processRefreshTokenResponse(server, client, await other)).rejects.toMatchObject({
      error: 'invalid_client',
    });
  });

  it('revokes', async () => {
    const { refreshToken, sessionId } = await logIn();
    const answer = await oauth.revocationRequest(server, client, oauth.None(), refreshToken, http);
    await oauth.processRevocationResponse(answer);
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
  });

  it('introspects, as a service', async () => {
    const { accessToken, refreshToken, sessionId } = await logIn();
    const service: oauth.Client = { client_id: SERVICE.name };
    const introspected = async (token: string) => {
      const secret = oauth.ClientSecretBasic(SERVICE.secret);
      const answer = await oauth.introspectionRequest(server, service, secret, token, http);
      return oauth.processIntrospectionResponse(server, service, answer);
    };
    expect(await introspected(accessToken)).toMatchObject({ active: true, sid: sessionId });
    expect(await introspected(refreshToken)).toMatchObject({ active: true, sid: sessionId });
    await app.post('/auth/logout', { refreshToken });
    await guardHasLooked(app);
    expect(await introspected(accessToken)).toEqual({ active: false });
    expect(await introspected(refreshToken)).toEqual({ active: false });
  });

  // Seen red without `client_id`, which RFC 9068 requires.
  it('accepts an access token as RFC 9068 has it', async () => {
    const { accessToken, sessionId } = await logIn();
    const request = new Request('https://orders.example', { headers: { Authorization: `Bearer ${accessToken}` } });
    expect(await oauth.validateJwtAccessToken(server, request, AUDIENCE, http)).toMatchObject({
      client_id: 'app',
      sid: sessionId,
    });
  });
});

describe('openid-client, unmodified,', () => {
  const discover = (clientId: string, authentication: openid.ClientAuth) =>
    openid.discovery(new URL(app.url), clientId, undefined, authentication, {
      algorithm: 'oauth2',
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- as above
      execute: [openid.allowInsecureRequests],
    });

  it('discovers, refreshes and revokes', async () => {
    const config = await discover('app', openid.None());
    const { refreshToken, sessionId } = await logIn();
    const { refresh_token: successor } = await openid.refreshTokenGrant(config, refreshToken);
    expect((await openid.refreshTokenGrant(config, refreshToken)).refresh_token).toBe(successor);
    await openid.tokenRevocation(config, successor!);
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
    await expect(openid.refreshTokenGrant(config, successor!)).rejects.toMatchObject({ error: 'invalid_grant' });
  });

  it('refreshes a bound session, and learns the nonce by itself', async () => {
    const config = await discover('app', openid.None());
    const pair = await openid.randomDPoPKeyPair('ES256');
    const { refreshToken } = await logInBound(pair);
    const DPoP = openid.getDPoPHandle(config, pair);
    const { refresh_token: successor } = await openid.refreshTokenGrant(config, refreshToken, undefined, { DPoP });
    await expect(openid.refreshTokenGrant(config, successor!)).rejects.toMatchObject({ error: 'invalid_grant' });
    await openid.refreshTokenGrant(config, successor!, undefined, { DPoP });
  });

  it('introspects, as a service', async () => {
    const config = await discover(SERVICE.name, openid.ClientSecretBasic(SERVICE.secret));
    const { accessToken, sessionId } = await logIn();
    expect(await openid.tokenIntrospection(config, accessToken)).toMatchObject({ active: true, sid: sessionId });
    const wrong = await discover(SERVICE.name, openid.ClientSecretBasic('wrong'));
    await expect(openid.tokenIntrospection(wrong, accessToken)).rejects.toThrow();
  });
});

describe('The public keys are enough for', () => {
  const keysAt = () => `${app.url}/.well-known/jwks.json`;

  it("jose's createRemoteJWKSet", async () => {
    const { accessToken, sessionId } = await logIn();
    const keys = createRemoteJWKSet(new URL(keysAt()));
    const expected = { issuer: app.url, audience: AUDIENCE, typ: 'at+jwt', algorithms: [...ALGORITHMS] };
    expect((await jwtVerify(accessToken, keys, expected)).payload).toMatchObject({ sid: sessionId });
  });

  it('jwks-rsa with passport-jwt', async () => {
    const { accessToken, sessionId } = await logIn();
    const strategy = new Strategy(
      {
        secretOrKeyProvider: passportJwtSecret({ jwksUri: keysAt(), cache: true }),
        jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
        issuer: app.url,
        audience: AUDIENCE,
        algorithms: [...ALGORITHMS],
      },
      (payload: object, done: (error: null, user: object) => void) => done(null, payload),
    );
    /** What Passport would be given by the strategy. */
    const verified = (token: string): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const outcome = { success: resolve, fail: (challenge: unknown) => resolve({ challenge }), error: reject };
        const request = { headers: { authorization: `Bearer ${token}` } };
        Object.assign(Object.create(strategy), outcome).authenticate(request);
      });
    expect(await verified(accessToken)).toMatchObject({ sid: sessionId, client_id: 'app' });
    const [header, payload, signature = ''] = accessToken.split('.');
    const forged = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    expect(await verified([header, payload, forged].join('.'))).toHaveProperty('challenge');
  });
});
