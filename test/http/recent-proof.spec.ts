import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  ADMIN,
  type Account,
  type Answer,
  type Json,
  startTestApplication,
  type TestApplication,
} from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { guardHasLooked } from './support/administration';

const document = JSON.parse(readFileSync(resolve(__dirname, '../../openapi.json'), 'utf8')) as {
  paths: Record<string, Record<string, unknown>>;
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.keys(methods).map((method) => [method.toUpperCase(), path] as const),
);
const ofAdministrators = operations.filter(([, path]) => path.startsWith('/admin'));
const WRITES = ofAdministrators.filter(([method]) => method !== 'GET');
const READS = ofAdministrators.filter(([method]) => method === 'GET');
/** The answers of a handler: a body may be missing, and the id of a user is no session's. */
const JUDGED = [200, 400, 404];
/** What ends sessions of one's own. */
const ENDINGS = [
  ['DELETE', '/auth/sessions/{id}'],
  ['DELETE', '/auth/sessions?except=current'],
  ['POST', '/auth/logout-all'],
] as const;

let database: TestDatabase;
let app: TestApplication;
let free: TestApplication;
let careful: TestApplication;
beforeAll(async () => {
  database = await testDatabase();
  const start = (env: Record<string, string>) => startTestApplication({ database, env });
  app = await start({});
  free = await start({ ADMIN_REAUTHENTICATION: '0' });
  careful = await start({ ADMIN_REAUTHENTICATION: '1m', SESSION_REAUTHENTICATION: '5m' });
});
afterAll(async () => {
  await Promise.all([app, free, careful].map((one) => one.close()));
  await database.close();
});

/** A session whose user proved who they are so many seconds ago. */
async function proved(on: TestApplication, account: Account, seconds: number): Promise<Json> {
  const { sessionId, refreshToken } = (await on.logIn({ email: account.email, password: account.password })).body;
  await on.query('UPDATE sessions SET auth_time = now() - make_interval(secs => $2) WHERE id = $1', [
    sessionId,
    seconds,
  ]);
  return (await on.refresh(refreshToken)).body;
}

const send = (on: TestApplication, [method, path]: readonly [string, string], bearer: string, id: string) =>
  on.request(method, path.replace('{id}', id), { bearer, ...(method !== 'DELETE' && { body: {} }) });

const expectStepUp = (answer: Answer, maxAge: number) => {
  expect(answer.status).toBe(401);
  expect(answer.headers.get('WWW-Authenticate')).toBe(
    `Bearer error="insufficient_user_authentication", max_age="${maxAge}"`,
  );
  expect(answer.body).toEqual({
    type: 'about:blank',
    title: 'Unauthorized',
    status: 401,
    code: 'reauthentication_required',
    recovery: 'step_up',
  });
};

describe('An administrator', () => {
  it('has writes and reads to be asked about', () => {
    expect(WRITES.length).toBeGreaterThanOrEqual(6);
    expect(READS.length).toBeGreaterThanOrEqual(4);
  });

  // Seen red with any of them unmarked.
  it.each(WRITES)('%s %s requires a proof of the last 15 minutes (ASVS 7.5.3)', async (...operation) => {
    const { id } = await app.register();
    const { accessToken } = await proved(app, ADMIN, 901);
    expectStepUp(await send(app, operation, accessToken, id), 900);
    // Just within it, the request itself is judged.
    const { accessToken: recent } = await proved(app, ADMIN, 800);
    expect(JUDGED).toContain((await send(app, operation, recent, id)).status);
  });

  it.each(READS)('%s %s requires none', async (method, path) => {
    const { id, email, password } = await app.register();
    const { sessionId } = (await app.logIn({ email, password })).body;
    const { accessToken } = await proved(app, ADMIN, 86_400);
    const target = path.replace('{id}', path.includes('history') ? sessionId : id);
    expect((await app.request(method, target, { bearer: accessToken })).status).toBe(200);
  });

  it('proves the password again, and goes on', async () => {
    const { accessToken, refreshToken } = await proved(app, ADMIN, 3600);
    const change = (bearer: string) =>
      app.request('PATCH', '/admin/security', { bearer, body: { gracePeriodSeconds: 300 } });
    expectStepUp(await change(accessToken), 900);
    const refreshed = (await app.refresh(refreshToken)).body;
    expectStepUp(await change(refreshed.accessToken), 900);
    const { status, body } = await app.post('/auth/reauthenticate', {
      refreshToken: refreshed.refreshToken,
      password: ADMIN.password,
    });
    expect(status).toBe(200);
    expect((await change(body.accessToken)).status).toBe(200);
  });

  it('is asked as ADMIN_REAUTHENTICATION says', async () => {
    const { id } = await app.register();
    for (const operation of WRITES) {
      const { accessToken: old } = await proved(free, ADMIN, 86_400);
      expect(JUDGED).toContain((await send(free, operation, old, id)).status);
      const { accessToken } = await proved(careful, ADMIN, 61);
      expectStepUp(await send(careful, operation, accessToken, id), 60);
    }
  });

  it('without the role is refused for the role, and recorded, and not asked for a proof', async () => {
    const account = await app.register();
    const { accessToken, sessionId } = await proved(app, account, 3600);
    expect((await send(app, ['PATCH', '/admin/security'], accessToken, account.id)).status).toBe(403);
    const types = (await app.events({ sessionId })).map(({ type }) => type);
    expect(types).toContain('auth.access.denied.v1');
  });

  it('whose token knows no time of a proof is asked', async () => {
    const { sessionId, refreshToken } = (await app.logIn(ADMIN)).body;
    await app.query('UPDATE sessions SET auth_time = NULL WHERE id = $1', [sessionId]);
    const { accessToken } = (await app.refresh(refreshToken)).body;
    expectStepUp(await send(app, ['PATCH', '/admin/security'], accessToken, sessionId), 900);
  });
});

describe('A user who ends sessions', () => {
  it.each(ENDINGS)('by %s %s is asked for no proof by default', async (...operation) => {
    const account = await app.register();
    const other = (await app.logIn(account)).body;
    const { accessToken } = await proved(app, account, 86_400);
    expect([200, 204]).toContain((await send(app, operation, accessToken, other.sessionId)).status);
  });

  // Seen red with any of them unmarked.
  it.each(ENDINGS)(
    'by %s %s proves the password again where SESSION_REAUTHENTICATION says so (ASVS 7.5.2)',
    async (...operation) => {
      const account = await careful.register();
      const other = (await careful.logIn({ email: account.email, password: account.password })).body;
      const { accessToken, refreshToken } = await proved(careful, account, 301);
      expectStepUp(await send(careful, operation, accessToken, other.sessionId), 300);
      expect((await careful.get('/auth/me', other.accessToken)).status).toBe(200);
      const { body } = await careful.post('/auth/reauthenticate', { refreshToken, password: account.password });
      expect([200, 204]).toContain((await send(careful, operation, body.accessToken, other.sessionId)).status);
      await guardHasLooked(careful);
      expect((await careful.get('/auth/me', other.accessToken)).status).toBe(401);
    },
  );

  it('logs out without a proof', async () => {
    const { accessToken } = await proved(careful, await careful.register(), 86_400);
    expect((await careful.request('POST', '/auth/logout', { bearer: accessToken })).status).toBe(204);
    expect((await careful.get('/auth/me', accessToken)).status).toBe(401);
  });
});
