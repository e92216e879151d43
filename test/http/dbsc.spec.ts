import { randomUUID } from 'node:crypto';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { TokenDelivery } from '../../src';
import { SessionChallenges } from '../../src/auth/domain/dbsc';
import { type Answer, type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { Device, proofFor } from '../support/dpop';
import { cookiesOf } from './support/cookies';
import { WITH_SERVICE } from './support/oauth';
import { age, rowOf, snapshotOf } from './support/sessions';

const ORIGIN = 'https://app.example';
const PARTNER = 'https://partner.example';
const PASSWORD = 'a long enough passphrase';
const KEY = Buffer.from(Array.from({ length: 32 }, (_, at) => at)).toString('base64');

let database: TestDatabase;
let app: TestApplication;
let off: TestApplication;
beforeAll(async () => {
  database = await testDatabase();
  const start = (env: Record<string, string>) =>
    startTestApplication({
      database,
      env: {
        ...WITH_SERVICE,
        PUBLIC_ORIGIN: ORIGIN,
        CORS_ORIGINS: PARTNER,
        REFRESH_TOKEN_KEYS: `0:${KEY}`,
        ACCESS_TOKEN_KEYS: `a:${KEY}`,
        ACCESS_TOKEN_ISSUER: ORIGIN,
        ...env,
      },
    });
  app = await start({ DBSC: 'on' });
  off = await start({ DBSC: 'off' });
});
afterAll(async () => {
  await Promise.all([app.close(), off.close()]);
  await database.close();
});

/** What a browser keeps of one login. */
interface Browser {
  readonly account: { readonly email: string; readonly password: string };
  readonly sessionId: string;
  readonly device: Device;
  readonly invitation: { readonly challenge: string; readonly authorization: string };
  /** By name. */
  readonly jar: Map<string, string>;
  /** The newest challenge. */
  challenge: string;
}

const own = { Origin: ORIGIN };
const REFRESH = '__Host-refresh';
const ACCESS = '__Host-access';
const MARK = '__Host-bound';

const cookieOf = (jar: ReadonlyMap<string, string>): string =>
  [...jar].map(([name, value]) => `${name}=${value}`).join('; ');

/** As a browser does: sends the cookies, and keeps those of the answer. */
async function send(
  browser: Pick<Browser, 'jar'>,
  method: string,
  path: string,
  headers: object = {},
  body?: object,
  to = app,
): Promise<Answer> {
  const answer = await to.request(method, path, {
    headers: { ...own, Cookie: cookieOf(browser.jar), ...headers },
    ...(body && { body }),
  });
  for (const { name, value, attributes } of cookiesOf(answer)) {
    if (attributes['max-age'] === '0') browser.jar.delete(name);
    else browser.jar.set(name, value);
  }
  return answer;
}

const INVITATION = /^\(ES256 RS256\);path="([^"]+)";challenge="([\w-]+)";authorization="([\w-]+)"$/;

async function logIn(device = new Device(), account?: Browser['account'], to = app): Promise<Browser> {
  const { email, password } = account ?? (await to.register());
  const jar = new Map<string, string>();
  const answer = await send({ jar }, 'POST', '/auth/login', {}, { email, password, delivery: 'cookie' }, to);
  expect(answer.status).toBe(200);
  const [, path, challenge = '', authorization = ''] =
    INVITATION.exec(answer.headers.get('Secure-Session-Registration') ?? '') ?? [];
  expect(path).toBe('/auth/dbsc/register');
  const { sessionId } = answer.body;
  return { account: { email, password }, sessionId, device, invitation: { challenge, authorization }, jar, challenge };
}

const register = (browser: Browser, jws = browser.device.registration(browser.invitation), headers: object = {}) =>
  send(browser, 'POST', '/auth/dbsc/register', { 'Secure-Session-Response': jws, ...headers });

const challengeIn = ({ headers }: Answer): [challenge: string | undefined, id: string | undefined] => {
  const [, challenge, id] = /^"([\w-]+)";id="([^"]+)"$/.exec(headers.get('Secure-Session-Challenge') ?? '') ?? [];
  return [challenge, id];
};

async function bound(device = new Device()): Promise<Browser> {
  const browser = await logIn(device);
  const answer = await register(browser);
  expect(answer.status).toBe(200);
  const [challenge = ''] = challengeIn(answer);
  return Object.assign(browser, { challenge });
}

const renew = (
  browser: Browser,
  {
    jws = browser.device.response(browser.challenge),
    id = browser.sessionId,
    to = app,
  }: { jws?: string | null; id?: string; to?: TestApplication } = {},
): Promise<Answer> =>
  send(
    browser,
    'POST',
    '/auth/dbsc/refresh',
    { 'Sec-Secure-Session-Id': id, ...(jws !== null && { 'Secure-Session-Response': jws }) },
    undefined,
    to,
  );

const trailOf = async (sessionId: string, type: string): Promise<Json[]> =>
  (await app.events({ sessionId })).filter((event) => event.type === type);
const REFUSED = 'auth.session.binding_refused.v1';

describe('The invitation to bind a session', () => {
  it('stands in the answer to a login by cookie alone, where it is on', async () => {
    const { email, password } = await app.register();
    const header = async (to: TestApplication, delivery: string, headers: object = {}) =>
      (await to.post('/auth/login', { email, password, delivery }, { ...own, ...headers })).headers.get(
        'Secure-Session-Registration',
      );
    expect(await header(app, 'cookie')).toMatch(INVITATION);
    expect(await header(app, 'body')).toBeNull();
    expect(await header(off, 'cookie')).toBeNull();
    // Its scripts do not see the mark, and would refresh.
    expect(await header(app, 'cookie', { Origin: PARTNER })).toBeNull();
  });

  it('is not given to a session that a proof has bound, nor where the browser would not take the cookie', async () => {
    const { email, password, id } = await app.register();
    const device = new Device();
    const origin = { ...own, DPoP: '' };
    origin.DPoP = device.proof(`${ORIGIN}/auth/login`, proofNonce());
    const byProof = await app.post('/auth/login', { email, password, delivery: 'cookie' }, origin);
    expect(byProof.status).toBe(200);
    expect(byProof.headers.get('Secure-Session-Registration')).toBeNull();

    const roles = Array.from({ length: 50 }, (_, at) => `${'r'.repeat(60)}${at}`);
    await app.query('UPDATE users SET roles = $2 WHERE id = $1', [id, roles]);
    const large = await app.post('/auth/login', { email, password, delivery: 'cookie' }, own);
    expect(large.status).toBe(200);
    expect(large.headers.get('Secure-Session-Registration')).toBeNull();
  });

  const proofNonce = (): string => {
    const { DPoP } = proofFor(app, new Device(), '/');
    return JSON.parse(Buffer.from(DPoP.split('.')[1]!, 'base64url').toString()).nonce;
  };
});

describe('A registration', () => {
  it('binds the session, and gives the access token as a cookie that no script reads, and a mark that scripts do', async () => {
    const browser = await logIn();
    const before = await rowOf(app, browser.sessionId);
    const answer = await register(browser);
    expect(answer).toMatchObject({
      status: 200,
      body: {
        session_identifier: browser.sessionId,
        refresh_url: '/auth/dbsc/refresh',
        scope: {
          include_site: false,
          scope_specification: [
            { type: 'exclude', domain: 'app.example', path: '/auth/login' },
            { type: 'exclude', domain: 'app.example', path: '/auth/logout' },
          ],
        },
        credentials: [{ type: 'cookie', name: ACCESS, attributes: 'Path=/; Secure; SameSite=Strict; HttpOnly' }],
      },
    });
    const cookies = cookiesOf(answer);
    expect(cookies.map(({ name }) => name)).toEqual([ACCESS, MARK]);
    expect(cookies[0]!.attributes).toEqual({
      'max-age': '900',
      path: '/',
      secure: '',
      samesite: 'Strict',
      httponly: '',
    });
    expect(cookies[1]!.attributes).not.toHaveProperty('httponly');
    expect(answer.headers.get('Cache-Control')).toBe('no-store');
    const { kty, crv, x, y } = browser.device.jwk;
    expect(await rowOf(app, browser.sessionId)).toEqual({
      ...before,
      binding: { kind: 'dbsc', id: browser.sessionId, jwk: { kty, crv, x, y } },
    });
    const [recorded] = await trailOf(browser.sessionId, 'auth.session.bound.v1');
    expect(recorded.details).toMatchObject({ binding: 'dbsc' });
    const { body } = await send(browser, 'GET', '/auth/sessions');
    expect(body.items).toEqual([expect.objectContaining({ id: browser.sessionId, binding: 'dbsc' })]);
  });

  it.each(['ES256', 'RS256'] as const)('may be by a key of %s', async (alg) => {
    expect((await register(await logIn(new Device(alg)))).status).toBe(200);
  });

  it('gets the same answer again for the same key, as after a lost answer', async () => {
    const browser = await bound();
    const row = await rowOf(app, browser.sessionId);
    const again = await register(browser);
    expect(again).toMatchObject({ status: 200, body: { session_identifier: browser.sessionId } });
    expect(await rowOf(app, browser.sessionId)).toEqual(row);
    const recorded = await trailOf(browser.sessionId, 'auth.session.bound.v1');
    expect(recorded.map(({ details }) => details.repeated ?? false)).toEqual([false, true]);
  });

  it('is accepted when a refresh of the page has overtaken it', async () => {
    const browser = await logIn();
    const first = browser.jar.get(REFRESH)!;
    expect((await send(browser, 'POST', '/auth/refresh', {}, {})).status).toBe(200);
    browser.jar.set(REFRESH, first);
    expect((await register(browser)).status).toBe(200);
    expect(await rowOf(app, browser.sessionId)).toMatchObject({ generation: 1, binding: { kind: 'dbsc' } });
  });

  const challenges = (): SessionChallenges => app.app.get(SessionChallenges, { strict: false });
  const MINUTE = 60_000;
  const REFUSALS: [name: string, jws: (browser: Browser, other: Browser) => string][] = [
    ['for the invitation of another session', ({ device }, other) => device.registration(other.invitation)],
    ['for a challenge alone', ({ device, invitation: { challenge } }) => device.registration({ challenge })],
    [
      'for a challenge that any refresh token gets',
      ({ device, sessionId, challenge }) =>
        device.registration({ challenge, authorization: challenges().challengeOf(sessionId, new Date()) }),
    ],
    [
      'six minutes after the login',
      ({ device, sessionId }) => {
        const then = new Date(Date.now() - 6 * MINUTE);
        const challenge = challenges().challengeOf(sessionId, then);
        return device.registration({ challenge, authorization: challenges().authorizationOf(sessionId, then) });
      },
    ],
    ['that another key has signed', ({ device, invitation }) => forged(device.registration(invitation))],
    ['without a key', ({ device, invitation }) => device.response(invitation.challenge, {})],
    ['with the private key', ({ device, invitation }) => signed(device, invitation, { jwk: device.privateJwk })],
    ['with an extension', ({ device, invitation }) => signed(device, invitation, { crit: ['exp'] })],
    ['of another type', ({ device, invitation }) => signed(device, invitation, { typ: 'dpop+jwt' })],
    ['by Ed25519, which browsers do not use', ({ invitation }) => new Device('EdDSA').registration(invitation)],
    [
      'by a symmetric key',
      ({ device, invitation }) => signed(device, invitation, { alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } }),
    ],
    ['of 5,000 characters', ({ device, invitation }) => signed(device, invitation, { padding: 'x'.repeat(4000) })],
    ['that is no JWT', () => 'junk'],
  ];
  const signed = (device: Device, invitation: Browser['invitation'], header: object): string =>
    device.registration(invitation, { ...header });
  const forged = (jws: string): string => {
    const [header, payload] = jws.split('.');
    return [header, payload, new Device().response('x').split('.')[2]].join('.');
  };

  // Seen red without the authorization, and with a signature that is not verified.
  it.each(REFUSALS)('%s is refused and recorded, and touches nothing', async (_, jws) => {
    const [browser, other] = [await logIn(), await logIn()];
    const before = await rowOf(app, browser.sessionId);
    const answer = await register(browser, jws(browser, other));
    expect(answer).toMatchObject({ status: 401, body: { code: 'proof_required' } });
    expect(cookiesOf(answer)).toEqual([]);
    expect(await rowOf(app, browser.sessionId)).toEqual(before);
    const [recorded] = await trailOf(browser.sessionId, REFUSED);
    expect(recorded).toMatchObject({ outcome: 'failed', reason: 'not_invited' });
    expect((await register(browser)).status).toBe(200);
  });

  it('needs the cookie, the header and a page of its own', async () => {
    const browser = await logIn();
    expect(await send(browser, 'POST', '/auth/dbsc/register')).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ path: 'Secure-Session-Response' }] },
    });
    const { device, invitation } = browser;
    const two = [device, device].map((by) => by.registration(invitation)).join(', ');
    expect(await register(browser, two)).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'Secure-Session-Response', message: 'Secure-Session-Response must be one proof' }] },
    });
    const { jar } = browser;
    const without = { ...browser, jar: new Map<string, string>() };
    expect(await register(without)).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(await register(browser, undefined, { Origin: 'https://evil.example' })).toMatchObject({
      status: 403,
      body: { code: 'origin_refused' },
    });
    jar.set(REFRESH, 'junk');
    expect(await register(browser)).toMatchObject({ status: 401, body: { code: 'token_invalid' } });
    expect((await rowOf(app, browser.sessionId)).binding).toBeNull();
  });

  it('is too late for a session that was refreshed twice, which goes on without', async () => {
    const browser = await logIn();
    for (let time = 0; time < 2; time++)
      expect((await send(browser, 'POST', '/auth/refresh', {}, {})).status).toBe(200);
    expect(await register(browser)).toMatchObject({ status: 401 });
    const [recorded] = await trailOf(browser.sessionId, REFUSED);
    expect(recorded.reason).toBe('too_late');
    expect((await send(browser, 'POST', '/auth/refresh', {}, {})).status).toBe(200);
  });

  it('with the cookie of an older generation is a theft', async () => {
    const browser = await logIn();
    const first = browser.jar.get(REFRESH)!;
    for (let time = 0; time < 2; time++)
      expect((await send(browser, 'POST', '/auth/refresh', {}, {})).status).toBe(200);
    browser.jar.set(REFRESH, first);
    expect(await register(browser)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    expect(await rowOf(app, browser.sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
  });

  // Seen red with a second key that is only refused: who binds a stolen session would end the owner's evidence.
  it('of a second key ends the session: two devices hold one login', async () => {
    const browser = await bound(); // a thief of the whole answer may have been first
    const owner = { ...browser, jar: new Map(browser.jar), device: new Device() };
    expect(await register(owner)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    expect(await rowOf(app, browser.sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
    const [reuse] = await trailOf(browser.sessionId, 'auth.token.reuse_detected.v1');
    expect(reuse.details).toMatchObject({ reuseClass: 'other_key', generationsBehind: 0 });
    const [refused] = await trailOf(browser.sessionId, REFUSED);
    expect(refused.reason).toBe('other_key');
    expect(await renew(browser)).toMatchObject({ status: 401 });
    // And once more, of a session that is over.
    expect(await register(owner)).toMatchObject({ status: 401 });
  });

  // Seen red with a predecessor that is judged as in a refresh: the page has a retry key, the browser has none.
  it('with the predecessor, however late, is no theft: the page may have lost the answer of its refresh', async () => {
    const browser = await logIn();
    const first = browser.jar.get(REFRESH)!;
    const key = { 'Idempotency-Key': randomUUID() };
    expect((await send(browser, 'POST', '/auth/refresh', key, {})).status).toBe(200);
    const successor = browser.jar.get(REFRESH)!;
    await age(app, browser.sessionId, 20);
    browser.jar.set(REFRESH, first);
    expect(await register(browser)).toMatchObject({ status: 401, body: { code: 'proof_required' } });
    expect((await trailOf(browser.sessionId, REFUSED))[0].reason).toBe('too_late');
    expect((await send(browser, 'POST', '/auth/refresh', key, {})).status).toBe(200);
    expect(browser.jar.get(REFRESH)).toBe(successor);
    // Without the invitation it is what it is in a refresh.
    browser.jar.set(REFRESH, first);
    await register(browser, browser.device.registration({ challenge: browser.challenge }));
    expect(await rowOf(app, browser.sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
  });

  it('binds nothing where the access token has outgrown a cookie since the login', async () => {
    const browser = await logIn();
    const roles = Array.from({ length: 50 }, (_, at) => `${'r'.repeat(60)}${at}`);
    await app.query('UPDATE users SET roles = $2 WHERE email = $1', [browser.account.email, roles]);
    expect((await register(browser)).status).toBe(401);
    expect((await trailOf(browser.sessionId, REFUSED))[0].reason).toBe('token_too_long');
    expect((await send(browser, 'POST', '/auth/refresh', {}, {})).status).toBe(200);
  });

  it('of a second key without the invitation touches nothing', async () => {
    const browser = await bound();
    const thief = { ...browser, device: new Device() };
    const { challenge } = browser;
    expect((await register(thief, thief.device.registration({ challenge }))).status).toBe(401);
    expect(await renew(browser)).toMatchObject({ status: 200 });
  });

  it('by ten at once binds one key', async () => {
    const browser = await logIn();
    const answers = await Promise.all(Array.from({ length: 10 }, () => register(browser)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    const recorded = await trailOf(browser.sessionId, 'auth.session.bound.v1');
    expect(recorded.filter(({ details }) => !details.repeated)).toHaveLength(1);
  });
});

describe('The refresh of a bound session by the browser', () => {
  it('is the ordinary refresh with both cookies and the next challenge', async () => {
    const browser = await bound();
    const [refresh, access] = [browser.jar.get(REFRESH), browser.jar.get(ACCESS)];
    const answer = await renew(browser);
    expect(answer).toMatchObject({ status: 200, body: { session_identifier: browser.sessionId } });
    expect(answer.body).not.toHaveProperty('accessToken');
    expect(
      cookiesOf(answer)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual([ACCESS, MARK, REFRESH].toSorted());
    expect(browser.jar.get(REFRESH)).not.toBe(refresh);
    expect(browser.jar.get(ACCESS)).not.toBe(access);
    expect(await rowOf(app, browser.sessionId)).toMatchObject({ generation: 1 });
    [browser.challenge = ''] = challengeIn(answer);
    expect(await renew(browser)).toMatchObject({ status: 200 });
    const kinds = await trailOf(browser.sessionId, 'auth.token_refresh.succeeded.v1');
    expect(kinds).toHaveLength(2);
  });

  const stale = ({ sessionId }: Browser): string =>
    app.app.get(SessionChallenges, { strict: false }).challengeOf(sessionId, new Date(Date.now() - 21 * 60_000));
  const CHALLENGED: [name: string, jws: (browser: Browser) => string | null][] = [
    ['without a proof', () => null],
    ['with a proof for an old challenge', (browser) => browser.device.response(stale(browser))],
    ['with a proof for a challenge of its own', ({ device }) => device.response('mine')],
    ['with a header that is no proof', () => 'junk'],
  ];
  // Seen red with a challenge that counts as a refusal.
  it.each(CHALLENGED)('is answered with a challenge %s: no refusal, no record, nothing used up', async (_, jws) => {
    const browser = await bound();
    const before = await snapshotOf(app, browser.sessionId);
    const answer = await renew(browser, { jws: jws(browser) });
    expect(answer).toMatchObject({ status: 403, body: { code: 'session_challenge' } });
    const [challenge = '', id] = challengeIn(answer);
    expect(id).toBe(browser.sessionId);
    expect(await snapshotOf(app, browser.sessionId)).toEqual(before);
    expect(await renew(browser, { jws: browser.device.response(challenge) })).toMatchObject({ status: 200 });
  });

  const UNPROVEN: [name: string, jws: (browser: Browser) => string][] = [
    ['by another key', ({ challenge }) => new Device().response(challenge)],
    [
      'by another key that names the right one',
      ({ challenge, device }) => new Device().response(challenge, { jwk: device.jwk }),
    ],
    ['by a key of its own choice', ({ challenge }) => selfSigned(challenge)],
  ];
  const selfSigned = (challenge: string): string => {
    const device = new Device();
    return device.response(challenge, { jwk: device.jwk });
  };
  it.each(UNPROVEN)('with a proof %s is refused and recorded, and touches nothing', async (_, jws) => {
    const browser = await bound();
    const before = await rowOf(app, browser.sessionId);
    const thief = { ...browser, jar: new Map(browser.jar) };
    const answer = await renew(thief, { jws: jws(browser) });
    expect(answer).toMatchObject({ status: 401, body: { code: 'proof_required' } });
    expect(await rowOf(app, browser.sessionId)).toEqual(before);
    expect(await trailOf(browser.sessionId, 'auth.token.proof_missing.v1')).toHaveLength(1);
    // The page finds out by itself that it is signed out: the browser holds nothing for it any more.
    expect(thief.jar.has(MARK)).toBe(false);
    expect(thief.jar.has(REFRESH)).toBe(true);
    expect(await renew(browser)).toMatchObject({ status: 200 });
  });

  it('returns the same successor for the predecessor, however late, until the successor is used', async () => {
    const browser = await bound();
    const first = browser.jar.get(REFRESH)!;
    await renew(browser);
    const second = browser.jar.get(REFRESH)!;
    await age(app, browser.sessionId, 3600);
    browser.jar.set(REFRESH, first);
    expect(await renew(browser)).toMatchObject({ status: 200 });
    expect(browser.jar.get(REFRESH)).toBe(second);
    expect(await renew(browser)).toMatchObject({ status: 200 });
    browser.jar.set(REFRESH, first);
    expect(await renew(browser)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    expect(await rowOf(app, browser.sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
  });

  it('tells the browser to forget what the row does not know, and the login goes on', async () => {
    const browser = await bound();
    await app.query('UPDATE sessions SET binding = NULL WHERE id = $1', [browser.sessionId]);
    const answer = await renew(browser);
    expect(answer).toMatchObject({ status: 200, body: { continue: false } });
    expect([browser.jar.has(ACCESS), browser.jar.has(MARK)]).toEqual([false, false]);
    expect(await rowOf(app, browser.sessionId)).toMatchObject({ generation: 0 });
    // Limited and recorded: otherwise it would say for nothing whether a stolen token is still good.
    expect((await trailOf(browser.sessionId, REFUSED))[0].reason).toBe('not_invited');
    expect((await send(browser, 'POST', '/auth/refresh', {}, {})).status).toBe(200);

    const other = await bound();
    expect(
      await renew(other, { id: browser.sessionId, jws: other.device.response(challengeFor(browser)) }),
    ).toMatchObject({
      status: 200,
      body: { continue: false },
    });
    expect(await renew({ ...other, jar: new Map() })).toMatchObject({ status: 200, body: { continue: false } });
    expect(await rowOf(app, other.sessionId)).toMatchObject({ generation: 0, revoked_at: null });
  });
  const challengeFor = ({ sessionId }: Browser): string =>
    app.app.get(SessionChallenges, { strict: false }).challengeOf(sessionId, new Date());

  it('refuses what is malformed', async () => {
    const browser = await bound();
    for (const id of ['', 'x', `${browser.sessionId}";x="`])
      expect(await renew(browser, { id })).toMatchObject({
        status: 400,
        body: { errors: [{ path: 'Sec-Secure-Session-Id' }] },
      });
    expect(await renew({ ...browser, jar: new Map([[REFRESH, 'junk']]) })).toMatchObject({
      status: 401,
      body: { code: 'token_invalid' },
    });
    const foreign = await send(browser, 'POST', '/auth/dbsc/refresh', {
      'Sec-Secure-Session-Id': browser.sessionId,
      Origin: 'https://evil.example',
    });
    expect(foreign).toMatchObject({ status: 403, body: { code: 'origin_refused' } });
    // As the later drafts write them.
    expect(
      await renew(browser, {
        id: `"${browser.sessionId}"`,
        jws: `"${browser.device.response(browser.challenge)}"`,
      }),
    ).toMatchObject({ status: 200 });
  });

  // Seen red with routes that ask for no proof.
  it('is the only one: no other route refreshes the session, and its token is no proof of theft', async () => {
    const browser = await bound();
    const first = browser.jar.get(REFRESH)!;
    await renew(browser);
    const token = browser.jar.get(REFRESH)!;
    const before = await rowOf(app, browser.sessionId);
    for (const jar of [new Map([[REFRESH, token]]), new Map([[REFRESH, first]])]) {
      expect((await send({ jar }, 'POST', '/auth/refresh', {}, {})).status).toBe(401);
      expect((await send({ jar }, 'POST', '/auth/reauthenticate', {}, { password: PASSWORD })).status).toBe(401);
    }
    const device = new Device();
    const dpop = { DPoP: device.proof(`${ORIGIN}/auth/refresh`, JSON.parse(nonceText()).nonce) };
    expect((await send({ jar: new Map([[REFRESH, token]]) }, 'POST', '/auth/refresh', dpop, {})).status).toBe(401);
    expect(await rowOf(app, browser.sessionId)).toEqual(before);
  });
  const nonceText = (): string =>
    Buffer.from(proofFor(app, new Device(), '/').DPoP.split('.')[1]!, 'base64url').toString();

  it('goes on where the setting is off, and a log-out needs no proof', async () => {
    const browser = await bound();
    expect(await renew(browser, { to: off })).toMatchObject({ status: 200 });
    expect((await send(browser, 'POST', '/auth/refresh', {}, {}, off)).status).toBe(401);
    const jar = new Map([[REFRESH, browser.jar.get(REFRESH)!]]);
    expect((await send({ jar }, 'POST', '/auth/logout', {}, {})).status).toBe(204);
    expect(await rowOf(app, browser.sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
  });

  it('is answered 503 for what is temporary, since the browser would delete its key for 429', async () => {
    const narrow = await startTestApplication({
      database,
      env: { PUBLIC_ORIGIN: ORIGIN, REFRESH_TOKEN_KEYS: `0:${KEY}`, DBSC: 'on', LIMIT_REFRESH_PER_SESSION: '2/1h' },
    });
    try {
      const browser = await logIn(new Device(), undefined, narrow);
      const again = () =>
        send(
          browser,
          'POST',
          '/auth/dbsc/register',
          { 'Secure-Session-Response': browser.device.registration(browser.invitation) },
          undefined,
          narrow,
        );
      expect([(await again()).status, (await again()).status]).toEqual([200, 200]);
      const registration = await again();
      expect(registration.status).toBe(503);
      const refresh = await renew(browser, { to: narrow });
      expect(refresh.status).toBe(503);
      for (const { headers } of [registration, refresh]) expect(Number(headers.get('Retry-After'))).toBeGreaterThan(0);
    } finally {
      await narrow.close();
    }
  });
});

describe('The bound cookie', () => {
  const me = (headers: object = {}, jar?: Map<string, string>) => send({ jar: jar! }, 'GET', '/auth/me', headers);

  it('is an access token for the guard, and what the header says is judged first', async () => {
    const browser = await bound();
    expect(await me({}, browser.jar)).toMatchObject({ status: 200, body: { sessionId: browser.sessionId } });
    const other = (await app.logIn()).body;
    expect(await me({ Authorization: `Bearer ${other.accessToken}` }, browser.jar)).toMatchObject({
      status: 200,
      body: { sessionId: other.sessionId },
    });
    expect((await me({ Authorization: 'Bearer junk' }, browser.jar)).status).toBe(401);
    expect((await me({}, new Map([[ACCESS, 'junk']]))).status).toBe(401);
    expect((await me({}, new Map([[ACCESS, browser.jar.get(REFRESH)!]]))).status).toBe(401);
  });

  it('ends with its session at once', async () => {
    const browser = await bound();
    await send(browser, 'POST', '/auth/logout', {}, {});
    expect(browser.jar.size).toBe(0);
    const later = await bound();
    const access = later.jar.get(ACCESS)!;
    expect((await send(later, 'DELETE', `/auth/sessions/${later.sessionId}`)).status).toBe(204);
    expect(later.jar.size).toBe(0);
    expect((await me({}, new Map([[ACCESS, access]]))).status).toBe(401);
  });

  // Seen red with a guard that does not look at the origin.
  it.each([
    ['of another site', { Origin: 'https://evil.example' }],
    ['that names no origin', { Origin: undefined }],
    ['of a sandbox', { Origin: 'null' }],
  ])('does nothing but read for a page %s', async (_, headers) => {
    const browser = await bound();
    const [origin] = [headers.Origin === undefined ? {} : headers];
    const request = (method: string, path: string) =>
      app.request(method, path, { headers: { Cookie: cookieOf(browser.jar), ...origin } });
    expect((await request('GET', '/auth/me')).status).toBe(200);
    for (const [method, path] of [
      ['POST', '/auth/logout-all'],
      ['DELETE', `/auth/sessions/${browser.sessionId}`],
      ['DELETE', '/auth/sessions?except=current'],
    ] as const)
      expect(await request(method, path)).toMatchObject({ status: 403, body: { code: 'origin_refused' } });
    expect((await rowOf(app, browser.sessionId)).revoked_at).toBeNull();
  });

  it('is verified for a proxy by the method that the proxy names', async () => {
    const { jar } = await bound();
    const verify = (headers: object) =>
      app.request('GET', '/auth/verify', { headers: { Cookie: cookieOf(jar), ...headers } });
    const evil = { Origin: 'https://evil.example' };
    expect((await verify({})).status).toBe(403);
    expect((await verify({ 'X-Original-Method': 'GET', ...evil })).status).toBe(204);
    expect((await verify({ 'X-Forwarded-Method': 'HEAD', ...evil })).status).toBe(204);
    expect((await verify({ 'X-Original-Method': 'POST', ...evil })).status).toBe(403);
    expect((await verify({ 'X-Original-Method': 'GET', 'X-Forwarded-Method': 'DELETE', ...evil })).status).toBe(403);
    expect((await verify({ 'X-Original-Method': 'POST', ...own })).status).toBe(204);
    expect((await verify(own)).status).toBe(204);
    const socket = { 'X-Original-Method': 'GET', 'Sec-WebSocket-Key': 'x' };
    expect((await verify({ ...socket, ...evil })).status).toBe(403);
    expect((await verify({ ...socket, ...own })).status).toBe(204);
  });

  it('proves a session for a step-up with the password, and only its own', async () => {
    const browser = await bound();
    const other = await bound();
    const { jar } = browser;
    const mixed = new Map([
      [REFRESH, jar.get(REFRESH)!],
      [ACCESS, other.jar.get(ACCESS)!],
    ]);
    const prove = (from: Map<string, string>, password = browser.account.password) =>
      send({ jar: from }, 'POST', '/auth/reauthenticate', {}, { password });
    expect((await prove(mixed)).status).toBe(401);
    expect(await prove(jar, 'a wrong passphrase')).toMatchObject({
      status: 401,
      body: { code: 'invalid_credentials' },
    });
    expect(await rowOf(app, browser.sessionId)).toMatchObject({ generation: 0 });
    const access = jar.get(ACCESS);
    const first = jar.get(REFRESH)!;
    expect(await prove(jar)).toMatchObject({ status: 200, body: { generation: 1 } });
    expect(jar.get(ACCESS)).not.toBe(access);
    expect((await send({ jar }, 'GET', '/auth/me')).status).toBe(200);

    // It is not the key: with an old token it shows no theft. Seen red with one that counts as a proof there.
    const old = new Map(jar).set(REFRESH, first);
    expect((await renew(browser)).status).toBe(200);
    expect((await prove(old, 'a wrong passphrase')).status).toBe(401);
    expect((await rowOf(app, browser.sessionId)).revoked_at).toBeNull();
  });

  it('is given by a step-up to its own session alone', async () => {
    const browser = await logIn();
    browser.jar.set(ACCESS, 'junk');
    const answer = await send(browser, 'POST', '/auth/reauthenticate', {}, { password: browser.account.password });
    expect(answer.status).toBe(200);
    expect(cookiesOf(answer).map(({ name }) => name)).toEqual([REFRESH]);
  });

  it('of an earlier session is gone after the next sign-in and after a change of the password', async () => {
    const browser = await bound();
    const { account, jar } = browser;
    const changed = await send(
      browser,
      'POST',
      '/auth/password',
      {},
      { currentPassword: account.password, newPassword: `${PASSWORD} two` },
    );
    expect(changed.status).toBe(200);
    expect([jar.has(ACCESS), jar.has(MARK), jar.has(REFRESH)]).toEqual([false, false, true]);
    expect(await rowOf(app, changed.body.sessionId)).toMatchObject({ binding: { id: browser.sessionId } });
    expect(await renew(browser)).toMatchObject({ status: 200 });

    const { email, password } = await app.register();
    for (const [delivery, to] of [
      ['cookie', app],
      ['body', app],
      ['cookie', off],
    ] as const) {
      const earlier = await bound();
      expect((await send(earlier, 'POST', '/auth/login', {}, { email, password, delivery }, to)).status).toBe(200);
      expect([earlier.jar.has(ACCESS), earlier.jar.has(MARK)]).toEqual([false, false]);
    }
  });

  it('of an earlier session is gone after a sign-in of a host, which gives the pair without a request', async () => {
    const pair = (await app.logIn()).body;
    const response = new ServerResponse(new IncomingMessage(new Socket()));
    app.app.get(TokenDelivery).give(response, pair, 'cookie');
    expect(response.getHeader('Set-Cookie')).toEqual([
      expect.stringMatching(`^${ACCESS}=; Max-Age=0`),
      expect.stringMatching(`^${MARK}=; Max-Age=0`),
      expect.stringMatching(`^${REFRESH}=rt1_`),
    ]);
  });
});

describe('The setting', () => {
  it.each([
    [{ PUBLIC_ORIGIN: 'http://app.example' }, 'DBSC must not be on without'],
    [{ COOKIE_SAME_SITE: 'none' }, 'DBSC must not be on with'],
    [{ ACCESS_TOKEN_TTL: '4m' }, 'ACCESS_TOKEN_TTL must be at least five minutes'],
  ])('refuses to start with %j', async (env, rule) => {
    const start = startTestApplication({ database, env: { PUBLIC_ORIGIN: ORIGIN, DBSC: 'on', ...env } });
    await expect(start).rejects.toThrow(rule);
  });

  it('refuses two words', async () => {
    await expect(startTestApplication({ database, env: { DBSC: randomUUID() } })).rejects.toThrow('DBSC');
  });
});
