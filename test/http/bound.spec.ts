import { randomUUID } from 'node:crypto';
import { CommandBus } from '@nestjs/cqrs';
import * as dpop from 'dpop';
import { calculateJwkThumbprint } from 'jose';
import { OpenSessionCommand, StepUpSessionCommand } from '../../src';
import { startTestApplication, type Account, type Answer, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { Device, nonceOf, ORIGIN, proofFor, type ProofParts } from '../support/dpop';
import { granted } from '../support/result';
import { exchange, introspect, WITH_SERVICE } from './support/oauth';
import { age, newRetryKey, putBack, rowOf, snapshotOf } from './support/sessions';

const DAY = 24 * 60 * 60;
const device = new Device();

let database: TestDatabase;
let app: TestApplication;
let off: TestApplication;
beforeAll(async () => {
  database = await testDatabase();
  const start = (env: Record<string, string> = {}) =>
    startTestApplication({ database, env: { ...WITH_SERVICE, REFRESH_TOKEN_KEYS: `0:${KEY}`, ...env } });
  app = await start();
  off = await start({ DPOP: 'off' });
});
afterAll(async () => {
  await Promise.all([app.close(), off.close()]);
  await database.close();
});

const KEY = Buffer.from(Array.from({ length: 32 }, (_, at) => at)).toString('base64');

interface Bound {
  readonly account: Account & { readonly id: string };
  readonly sessionId: string;
  readonly refreshToken: string;
  readonly accessToken: string;
}

async function logInBound(instance = app, by = device): Promise<Bound> {
  const account = await instance.register();
  const { email, password } = account;
  const { status, body } = await instance.post(
    '/auth/login',
    { email, password },
    proofFor(instance, by, '/auth/login'),
  );
  expect(status).toBe(200);
  return { account, ...body };
}

/** Every route that refreshes; the last one is of OAuth. */
const ROUTES: [path: string, send: (instance: TestApplication, token: string, headers?: object) => Promise<Answer>][] =
  [
    ['/auth/refresh', (to, refreshToken, headers = {}) => to.post('/auth/refresh', { refreshToken }, { ...headers })],
    [
      '/auth/reauthenticate',
      (to, refreshToken, headers = {}) =>
        to.post('/auth/reauthenticate', { refreshToken, password: 'a long enough passphrase' }, { ...headers }),
    ],
    ['/oauth/token', (to, refreshToken, headers = {}) => exchange(to, refreshToken, { ...headers })],
  ];
const successorOf = ({ body }: Answer): string => body.refreshToken ?? body.refresh_token;
const refresh = (token: string, by: Device | null = device, headers: object = {}, parts?: ProofParts) =>
  app.post(
    '/auth/refresh',
    { refreshToken: token },
    {
      ...headers,
      ...(by !== null && proofFor(app, by, '/auth/refresh', parts)),
    },
  );

describe('A session that was opened with a proof', () => {
  it('is bound to the key of the proof for life, and its tokens stay Bearer', async () => {
    const { sessionId, refreshToken, accessToken } = await logInBound();
    const binding = { kind: 'dpop', jkt: await calculateJwkThumbprint(device.jwk) };
    expect(await rowOf(app, sessionId)).toMatchObject({ binding });
    const answer = await refresh(refreshToken);
    expect(answer).toMatchObject({ status: 200, body: { tokenType: 'Bearer', generation: 1 } });
    expect(await rowOf(app, sessionId)).toMatchObject({ binding, generation: 1 });
    expect(await app.get('/auth/me', accessToken)).toMatchObject({ status: 200 });
  });

  it.each(['ES256', 'EdDSA', 'RS256'] as const)('may be bound to a key of %s', async (alg) => {
    const own = new Device(alg);
    const { refreshToken } = await logInBound(app, own);
    expect(await refresh(refreshToken, own)).toMatchObject({ status: 200 });
  });

  it('takes the proofs of the package dpop, with the round trip of the nonce', async () => {
    const keys = await dpop.generateKeyPair('ES256');
    const post = async (path: string, body: object): Promise<Answer> => {
      const proof = (nonce?: string) => dpop.generateProof(keys, ORIGIN + path, 'POST', nonce);
      const challenged = await app.post(path, body, { DPoP: await proof() });
      expect(challenged).toMatchObject({ status: 401, body: { code: 'use_dpop_nonce' } });
      return app.post(path, body, { DPoP: await proof(challenged.headers.get('DPoP-Nonce') ?? '') });
    };
    const { email, password } = await app.register();
    const opened = await post('/auth/login', { email, password });
    const refreshed = await post('/auth/refresh', { refreshToken: opened.body.refreshToken });
    expect(refreshed).toMatchObject({ status: 200, body: { generation: 1 } });
    expect(await refresh(refreshed.body.refreshToken, null)).toMatchObject({ status: 401 });
  });

  it('is shown as bound in the lists, and in the record of its beginning', async () => {
    const { sessionId, accessToken, account } = await logInBound();
    const { body } = await app.logIn(account);
    const listed = await app.get('/auth/sessions', accessToken);
    expect(listed.body.items).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ id: sessionId, binding: 'dpop' }),
        expect.objectContaining({ id: body.sessionId, binding: null }),
      ]),
    );
    const created = (await app.events({ sessionId })).find(({ type }) => type === 'auth.session.created.v1');
    expect(created.details).toMatchObject({ binding: 'dpop' });
  });

  // Seen red with a route that passes no proof on.
  it.each(ROUTES)('refreshes at %s with a proof', async (path, send) => {
    const { refreshToken, sessionId } = await logInBound();
    const answer = await send(app, refreshToken, proofFor(app, device, path));
    expect(answer.status).toBe(200);
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 1 });
  });

  const stranger = new Device();
  const UNPROVEN: [name: string, headers: (path: string) => object][] = [
    ['without a proof', () => ({})],
    ['without a proof, by a retry key', () => ({ 'Idempotency-Key': newRetryKey() })],
    ['with a proof by another key', (path) => proofFor(app, stranger, path)],
    ['with a proof for another route', () => proofFor(app, device, '/auth/login')],
    ['with a proof for another method', (path) => proofFor(app, device, path, { claims: { htm: 'GET' } })],
    ['with a proof signed by somebody else', (path) => proofFor(app, stranger, path, { header: { jwk: device.jwk } })],
  ];
  const everywhere = ROUTES.flatMap(([path, send]) =>
    UNPROVEN.map(([name, headers]) => ({ path, send, name, headers })),
  );

  // Seen red with the key of the proof not compared.
  it.each(everywhere)('refreshes nothing at $path $name: recorded, and untouched', async ({ path, send, headers }) => {
    const { refreshToken, sessionId } = await logInBound();
    const current = successorOf(await refresh(refreshToken));
    const before = await rowOf(app, sessionId);
    for (const token of [current, refreshToken]) {
      const answer = await send(app, token, headers(path));
      expect(answer.status).toBe(path === '/oauth/token' ? 400 : 401);
      expect(answer.body.code ?? answer.body.error_description).toBe('proof_required');
    }
    expect(await rowOf(app, sessionId)).toEqual(before);
    const trail = (await app.events({ sessionId })).slice(-3);
    expect(trail).toMatchObject([
      { type: 'auth.token_refresh.attempted.v1', outcome: 'attempted' },
      { type: 'auth.token.proof_missing.v1', outcome: 'failed' },
      { type: 'auth.token_refresh.failed.v1', reason: 'proof_required' },
    ]);
    expect(new Set(trail.map((event) => event.attempt_id)).size).toBe(1);
    // The owner goes on as if nothing had happened.
    expect(await refresh(current)).toMatchObject({ status: 200, body: { generation: 2 } });
  });

  it('does not end by an old token without a proof: a thief of tokens ends nothing', async () => {
    const { refreshToken, sessionId } = await logInBound();
    const second = successorOf(await refresh(refreshToken));
    const third = successorOf(await refresh(second));
    expect(await refresh(refreshToken, null)).toMatchObject({ status: 401, body: { code: 'proof_required' } });
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_at: null });
    expect(await refresh(third)).toMatchObject({ status: 200 });
  });

  it('answers the predecessor at any time, until the successor is used; then it is a reuse', async () => {
    const { refreshToken, sessionId } = await logInBound();
    const first = await refresh(refreshToken);
    await age(app, sessionId, DAY);
    for (const _time of [1, 2]) {
      const again = await refresh(refreshToken);
      expect(again).toMatchObject({ status: 200, body: { generation: 1, refreshToken: successorOf(first) } });
    }
    const [replay] = (await app.events({ sessionId })).slice(-1);
    expect(replay).toMatchObject({
      type: 'auth.token_refresh.succeeded.v1',
      details: { replayed: true, door: 'bound' },
    });
    await refresh(successorOf(first));
    expect(await refresh(refreshToken)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
  });

  it('gives two that refresh at once with the key one and the same successor', async () => {
    const { refreshToken } = await logInBound();
    const answers = await Promise.all([refresh(refreshToken), refresh(refreshToken), refresh(refreshToken)]);
    expect(new Set(answers.map(successorOf)).size).toBe(1);
  });

  it('ends by a log-out without a proof', async () => {
    const { refreshToken, sessionId } = await logInBound();
    expect(await app.post('/auth/logout', { refreshToken })).toMatchObject({ status: 204 });
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
    expect(await refresh(refreshToken)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
  });

  it('hands its key on to the session that a password change opens', async () => {
    const { accessToken, account } = await logInBound();
    const body = { currentPassword: account.password, newPassword: 'another long passphrase' };
    const changed = await app.request('POST', '/auth/password', { bearer: accessToken, body });
    expect(changed.status).toBe(200);
    const { refreshToken } = changed.body;
    expect(await refresh(refreshToken, null)).toMatchObject({ status: 401, body: { code: 'proof_required' } });
    expect(await refresh(refreshToken)).toMatchObject({ status: 200 });
  });

  it('demands the proof of a token that a recovery epoch would adopt', async () => {
    const { refreshToken, sessionId } = await logInBound();
    const row = await snapshotOf(app, sessionId);
    const lost = successorOf(await refresh(refreshToken));
    await putBack(app, sessionId, row);
    await app.query(`UPDATE security_policy SET recovery_until = now() + interval '1 hour'`);
    try {
      expect(await refresh(lost, null)).toMatchObject({ status: 401, body: { code: 'proof_required' } });
      expect(await refresh(lost)).toMatchObject({ status: 200, body: { generation: 2 } });
    } finally {
      await app.query('UPDATE security_policy SET recovery_until = NULL');
    }
  });

  it('is active for a service that introspects its token', async () => {
    const { refreshToken, sessionId } = await logInBound();
    expect((await introspect(app, refreshToken)).body).toMatchObject({ active: true, sid: sessionId });
  });

  it('is opened by a host with a proof, and stepped up with one', async () => {
    const { id } = await app.register();
    const proof = (path: string) => ({
      kind: 'dpop' as const,
      jwt: device.proof(ORIGIN + path, nonceOf(app)),
      method: 'POST',
      path,
    });
    const bus = app.app.get(CommandBus);
    const opening = { method: 'passkey', client: {}, proof: proof('/sign-in') };
    const { refreshToken } = granted(await bus.execute(new OpenSessionCommand(id, opening)));
    const stepUp = (given?: ReturnType<typeof proof>) =>
      bus.execute(new StepUpSessionCommand(refreshToken, { method: 'totp' }, {}, undefined, 'body', given));
    expect(await stepUp()).toMatchObject({ ok: false, reason: { reason: 'proof_required' } });
    expect(await stepUp(proof('/step-up'))).toMatchObject({ ok: true });
    const forged = { ...proof('/sign-in'), path: '/elsewhere' };
    await expect(bus.execute(new OpenSessionCommand(id, { ...opening, proof: forged }))).rejects.toThrow(/DPoP/);
  });

  it('is recorded without its proof ten times a minute, whatever a thief sends', async () => {
    const { refreshToken, sessionId } = await logInBound();
    for (let time = 0; time < 15; time++) await refresh(refreshToken, null);
    const missing = (await app.events({ sessionId })).filter(({ type }) => type === 'auth.token.proof_missing.v1');
    expect(missing).toHaveLength(10);
  });
});

describe('A proof', () => {
  const challenged = (answer: Answer) => {
    expect(answer).toMatchObject({ status: 401, body: { code: 'use_dpop_nonce', recovery: 'retry' } });
    expect(answer.headers.get('WWW-Authenticate')).toBe('DPoP error="use_dpop_nonce"');
    expect(answer.headers.get('Cache-Control')).toBe('no-store');
    return answer.headers.get('DPoP-Nonce')!;
  };
  const withNonce = (nonce?: string) => ({ DPoP: device.proof(`${ORIGIN}/auth/refresh`, nonce) });

  // Seen red with a challenge that follows the rotation.
  it('without a nonce is asked for one, which uses nothing up and is not recorded', async () => {
    const { refreshToken, sessionId } = await logInBound();
    const before = [await rowOf(app, sessionId), await app.events({ sessionId })];
    const nonce = challenged(await ROUTES[0]![1](app, refreshToken, withNonce()));
    expect([await rowOf(app, sessionId), await app.events({ sessionId })]).toEqual(before);
    expect(await ROUTES[0]![1](app, refreshToken, withNonce(nonce))).toMatchObject({ status: 200 });
  });

  // Seen red with 401 at the token endpoint.
  it('is asked for a nonce whatever the token is', async () => {
    const { body } = await app.logIn();
    const answers = await Promise.all(
      ['junk', body.refreshToken].map((token) => ROUTES[0]![1](app, token, withNonce('an old one'))),
    );
    for (const answer of answers) challenged(answer);
    const answer = await exchange(app, 'junk', withNonce());
    expect(answer).toMatchObject({ status: 400, body: { error: 'use_dpop_nonce' } });
    expect(answer.headers.get('DPoP-Nonce')).toMatch(/^[\w-]+$/);
  });

  it('is asked for a nonce at the login before the password is looked at, and counts against no limit', async () => {
    const email = `${randomUUID()}@example.com`;
    const nonce = challenged(
      await app.post('/auth/login', { email, password: 'wrong' }, { DPoP: device.proof(`${ORIGIN}/auth/login`) }),
    );
    const trail = await app.query(
      `SELECT 1 FROM auth_events WHERE type LIKE 'auth.login%' AND user_agent = 'node' AND user_id IS NULL`,
    );
    expect(trail).toEqual([]);
    const headers = { DPoP: device.proof(`${ORIGIN}/auth/login`, nonce) };
    expect(await app.post('/auth/login', { email, password: 'wrong' }, headers)).toMatchObject({
      status: 401,
      body: { code: 'invalid_credentials' },
    });
  });

  it('counts with the nonce of another instance', async () => {
    const { refreshToken } = await logInBound();
    const headers = { DPoP: device.proof(`${ORIGIN}/auth/refresh`, nonceOf(off)) };
    expect(await ROUTES[0]![1](app, refreshToken, headers)).toMatchObject({ status: 200 });
  });

  // Seen red without the memory: a captured request would be worth an access token.
  it('counts once: a captured request is answered like one with an old nonce', async () => {
    const { refreshToken, sessionId } = await logInBound();
    const headers = proofFor(app, device, '/auth/refresh');
    expect(await ROUTES[0]![1](app, refreshToken, headers)).toMatchObject({ status: 200 });
    const before = [await rowOf(app, sessionId), await app.events({ sessionId })];
    challenged(await ROUTES[0]![1](app, refreshToken, headers));
    expect([await rowOf(app, sessionId), await app.events({ sessionId })]).toEqual(before);

    const { email, password } = await app.register();
    const atLogin = proofFor(app, device, '/auth/login');
    expect(await app.post('/auth/login', { email, password }, atLogin)).toMatchObject({ status: 200 });
    challenged(await app.post('/auth/login', { email, password }, atLogin));
  });

  it.each(['localhost', '127.0.0.1'])('may name the server %s', async (name) => {
    const { refreshToken } = await logInBound();
    const headers = { DPoP: device.proof(`http://${name}:0/auth/refresh?a=b`, nonceOf(app)) };
    expect(await ROUTES[0]![1](app, refreshToken, headers)).toMatchObject({ status: 200 });
  });

  it.each<[string, () => string]>([
    ['an empty header', () => ''],
    ['junk', () => 'junk'],
    [
      'one with a private key',
      () => device.proof(`${ORIGIN}/auth/refresh`, nonceOf(app), { header: { jwk: device.privateJwk } }),
    ],
    [
      'one of more than 4096 characters',
      () => device.proof(`${ORIGIN}/auth/refresh`, nonceOf(app), { claims: { more: 'x'.repeat(4096) } }),
    ],
    [
      'two in one header',
      () =>
        `${device.proof(`${ORIGIN}/auth/refresh`, nonceOf(app))}, ${device.proof(`${ORIGIN}/auth/refresh`, nonceOf(app))}`,
    ],
  ])('that is none is 400 at every route: %s', async (_name, made) => {
    const { refreshToken } = await logInBound();
    const { email, password } = await app.register();
    const DPoP = made();
    const answers = [
      await app.post('/auth/login', { email, password }, { DPoP }),
      ...(await Promise.all(ROUTES.slice(0, 2).map(([, send]) => send(app, refreshToken, { DPoP })))),
    ];
    for (const answer of answers)
      expect(answer).toMatchObject({
        status: 400,
        body: {
          code: 'invalid_dpop_proof',
          errors: [{ path: 'DPoP', message: expect.stringContaining('DPoP must be') }],
        },
      });
    expect(await exchange(app, refreshToken, { DPoP })).toMatchObject({
      status: 400,
      body: { error: 'invalid_dpop_proof' },
    });
    expect(await refresh(refreshToken)).toMatchObject({ status: 200 });
  });

  it('opens nothing at the login unless it is for the login', async () => {
    const { email, password } = await app.register();
    for (const headers of [
      proofFor(app, device, '/auth/refresh'),
      proofFor(app, new Device(), '/auth/login', { header: { jwk: device.jwk } }),
    ])
      expect(await app.post('/auth/login', { email, password }, headers)).toMatchObject({
        status: 400,
        body: { code: 'invalid_dpop_proof' },
      });
  });

  it('binds no session that is open already', async () => {
    const { body } = await app.logIn();
    const answer = await refresh(body.refreshToken);
    expect(answer).toMatchObject({ status: 200 });
    expect(await rowOf(app, body.sessionId)).toMatchObject({ binding: null });
    expect(await refresh(successorOf(answer), null)).toMatchObject({ status: 200 });
  });
});

describe('With DPOP=off', () => {
  it('no session is bound, and those that are stay bound', async () => {
    const account = await off.register();
    const { email, password } = account;
    const { body } = await off.post('/auth/login', { email, password }, proofFor(off, device, '/auth/login'));
    expect(await rowOf(off, body.sessionId)).toMatchObject({ binding: null });

    const { refreshToken } = await logInBound();
    const send = ROUTES[0]![1];
    expect(await send(off, refreshToken)).toMatchObject({ status: 401, body: { code: 'proof_required' } });
    expect(await send(off, refreshToken, proofFor(off, device, '/auth/refresh'))).toMatchObject({ status: 200 });
  });
});
