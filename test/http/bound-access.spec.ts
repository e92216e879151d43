import { CommandBus } from '@nestjs/cqrs';
import { calculateJwkThumbprint, decodeJwt } from 'jose';
import { ActAsUserCommand } from '../../src';
import { accessTokenHashOf } from '../../src/guard/dpop';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { Device, ORIGIN, proofFor, type ProofParts } from '../support/dpop';
import { granted } from '../support/result';
import { exchange, introspect, WITH_SERVICE } from './support/oauth';
import { rowOf } from './support/sessions';

const device = new Device();

let database: TestDatabase;
let app: TestApplication;
let required: TestApplication;
beforeAll(async () => {
  database = await testDatabase();
  const start = (DPOP: string) => startTestApplication({ database, env: { ...WITH_SERVICE, DPOP } });
  app = await start('all');
  required = await start('required');
});
afterAll(async () => {
  await Promise.all([app.close(), required.close()]);
  await database.close();
});

async function logInBound(instance = app) {
  const account = await instance.register();
  const { email, password } = account;
  const headers = proofFor(instance, device, '/auth/login');
  const { status, body } = await instance.post('/auth/login', { email, password }, headers);
  expect(status).toBe(200);
  return { account, ...body };
}

/** The headers of a request with a bound token; a proof for another request, token or moment by its parts. */
const proven = (token: string, path: string, { claims, ...parts }: ProofParts = {}, by = device) => ({
  Authorization: `DPoP ${token}`,
  DPoP: by.proof(ORIGIN + path, undefined, {
    ...parts,
    claims: { htm: 'GET', ath: accessTokenHashOf(token), ...claims },
  }),
});
const me = (headers: Record<string, string>) => app.request('GET', '/auth/me', { headers });

describe('With DPOP=all, the access token of a bound session', () => {
  it('names the key, and is accepted with a proof by it', async () => {
    const { accessToken, tokenType, account } = await logInBound();
    expect(tokenType).toBe('DPoP');
    expect(decodeJwt(accessToken)).toMatchObject({ cnf: { jkt: await calculateJwkThumbprint(device.jwk) } });
    const answer = await me(proven(accessToken, '/auth/me'));
    expect(answer).toMatchObject({ status: 200, body: { id: account.id } });
  });

  it('is DPoP after a refresh, a replay, a password change and at OAuth’s route', async () => {
    const { refreshToken, accessToken, account } = await logInBound();
    const refresh = () => app.post('/auth/refresh', { refreshToken }, proofFor(app, device, '/auth/refresh'));
    const first = await refresh();
    for (const { body } of [first, await refresh()]) {
      expect(body.tokenType).toBe('DPoP');
      expect(decodeJwt(body.accessToken)).toHaveProperty('cnf');
    }
    const exchanged = await exchange(app, first.body.refreshToken, proofFor(app, device, '/oauth/token'));
    expect(exchanged.body.token_type).toBe('DPoP');
    const body = { currentPassword: account.password, newPassword: 'another long passphrase' };
    const changed = await app.request('POST', '/auth/password', {
      body,
      headers: proven(accessToken, '/auth/password', { claims: { htm: 'POST' } }),
    });
    expect(changed).toMatchObject({ status: 200, body: { tokenType: 'DPoP' } });
  });

  // Seen red with a token that counts as a bearer token once a proof was accepted.
  it('is refused as a bearer token each time, whatever is remembered of it', async () => {
    const { accessToken } = await logInBound();
    for (const _time of [1, 2]) {
      const bearer = await app.get('/auth/me', accessToken);
      expect(bearer.status).toBe(401);
      expect(bearer.headers.get('WWW-Authenticate')).toBe('Bearer error="invalid_token"');
      expect((await app.get('/auth/verify', accessToken)).status).toBe(401);
      expect(await me(proven(accessToken, '/auth/me'))).toMatchObject({ status: 200 });
    }
  });

  const minutes = (count: number) => Math.floor(Date.now() / 1000) + count * 60;
  it.each<[string, () => NonNullable<ProofParts['claims']>]>([
    ['another token', () => ({ ath: accessTokenHashOf('another') })],
    ['no token', () => ({ ath: undefined })],
    ['another method', () => ({ htm: 'POST' })],
    ['another path', () => ({ htu: `${ORIGIN}/auth/sessions` })],
    ['another server', () => ({ htu: 'https://evil.example/auth/me' })],
    ['two minutes ago', () => ({ iat: minutes(-2) })],
    ['in two minutes', () => ({ iat: minutes(2) })],
  ])('is refused with a proof for %s', async (_name, claims) => {
    const { accessToken } = await logInBound();
    const answer = await me(proven(accessToken, '/auth/me', { claims: claims() }));
    expect(answer.status).toBe(401);
    expect(answer.headers.get('WWW-Authenticate')).toBe('DPoP error="invalid_token", algs="ES256 EdDSA RS256"');
  });

  it('is refused with a proof by another key, without one, and with two', async () => {
    const { accessToken } = await logInBound();
    const headers = proven(accessToken, '/auth/me');
    for (const refused of [
      proven(accessToken, '/auth/me', {}, new Device()),
      { Authorization: headers.Authorization },
      { ...headers, DPoP: `${headers.DPoP}, ${proven(accessToken, '/auth/me').DPoP}` },
    ])
      expect((await me(refused)).status).toBe(401);
  });

  // Seen red without the memory.
  it('is accepted once with each proof', async () => {
    const { accessToken } = await logInBound();
    const headers = proven(accessToken, '/auth/me');
    expect((await me(headers)).status).toBe(200);
    expect((await me(headers)).status).toBe(401);
  });

  it('logs out without a proof, by either scheme', async () => {
    for (const scheme of ['DPoP', 'Bearer']) {
      const { accessToken, sessionId } = await logInBound();
      const headers = { Authorization: `${scheme} ${accessToken}` };
      expect((await app.request('POST', '/auth/logout', { body: {}, headers })).status).toBe(204);
      expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
    }
  });

  it('is shown with its key to a service that introspects it, as is the refresh token', async () => {
    const { accessToken, refreshToken } = await logInBound();
    const cnf = { jkt: await calculateJwkThumbprint(device.jwk) };
    expect((await introspect(app, accessToken)).body).toMatchObject({ active: true, token_type: 'DPoP', cnf });
    expect((await introspect(app, refreshToken)).body).toMatchObject({ active: true, cnf });
  });

  it('gives its key to the token by which its user acts for another', async () => {
    const { sessionId } = await logInBound();
    const { id } = await app.register();
    const command = new ActAsUserCommand(sessionId, id, { reason: 'a test', ttl: 60 });
    const acting = granted(await app.app.get(CommandBus).execute(command));
    expect(acting.tokenType).toBe('DPoP');
    expect(decodeJwt(acting.accessToken)).toHaveProperty('cnf');
  });
});

describe('With DPOP=all, a bearer token', () => {
  it('is still issued without a proof, and refuses the scheme DPoP', async () => {
    const { body } = await app.logIn();
    expect(body.tokenType).toBe('Bearer');
    expect((await app.get('/auth/me', body.accessToken)).status).toBe(200);
    expect((await me(proven(body.accessToken, '/auth/me'))).status).toBe(401);
    expect((await introspect(app, body.accessToken)).body).not.toHaveProperty('cnf');
  });
});

describe('With DPOP=required', () => {
  it('no session with body delivery is opened without a proof', async () => {
    const { email, password } = await required.register();
    expect(await required.post('/auth/login', { email, password })).toMatchObject({
      status: 400,
      body: { code: 'invalid_dpop_proof', errors: [{ path: 'DPoP' }] },
    });
    const headers = proofFor(required, device, '/auth/login');
    expect(await required.post('/auth/login', { email, password }, headers)).toMatchObject({
      status: 200,
      body: { tokenType: 'DPoP' },
    });
    const cookie = { email, password, delivery: 'cookie' };
    expect(await required.post('/auth/login', cookie, { Origin: ORIGIN })).toMatchObject({
      status: 200,
      body: { tokenType: 'Bearer' },
    });
  });
});

describe('The metadata', () => {
  it('name the algorithms of proofs', async () => {
    const { body } = await app.get('/.well-known/oauth-authorization-server');
    expect(body.dpop_signing_alg_values_supported).toEqual(['ES256', 'EdDSA', 'RS256']);
  });
});
