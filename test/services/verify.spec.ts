import { randomUUID } from 'node:crypto';
import { AccessTokenSigner, RevocationFeed, stampsOf } from '../../src';
import { intercept } from '../http/support/intercept';
import { startTestApplication, type TestApplication } from '../support/app/test-application';
import { until } from '../support/until';

describe.each([['fastify'], ['express']] as const)('GET /auth/verify, on %s', (adapter) => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ adapter });
  });
  afterAll(() => app.close());

  /** A token of this application for any user. */
  async function tokenFor(userId: string, roles: string[]): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const floors = { globalMinTokenVersion: 1, mode: 'immediate', graceEndsAt: null, userMinTokenVersion: 1 } as const;
    const claims = { sub: userId, sid: randomUUID(), jti: 'j', iat: now, exp: now + 60, roles };
    return app.app.get(AccessTokenSigner, { strict: false }).sign({ ...claims, stamps: stampsOf(floors) });
  }

  it('names the user, the session and the roles of a token in headers, with no body', async () => {
    const { accessToken, sessionId } = (await app.logIn()).body;
    const { status, headers, body } = await app.get('/auth/verify', accessToken);
    const { id } = (await app.get('/auth/me', accessToken)).body;
    expect([status, body]).toEqual([204, undefined]);
    expect(headers.get('X-Auth-User')).toBe(id);
    expect(headers.get('X-Auth-Session')).toBe(sessionId);
    expect(headers.get('X-Auth-Roles')).toBe('user');
    expect(headers.get('Cache-Control')).toBe('no-store');
  });

  it('encodes what a header cannot hold, so that no id becomes another or two', async () => {
    const token = await tokenFor('Zoë, admin%2C', ['a,b', 'c d', 'é']);
    const { status, headers } = await app.get('/auth/verify', token);
    expect(status).toBe(204);
    expect(decodeURIComponent(headers.get('X-Auth-User')!)).toBe('Zoë, admin%2C');
    expect(headers.get('X-Auth-User')).not.toContain(',');
    expect(headers.get('X-Auth-Roles')!.split(',').map(decodeURIComponent)).toEqual(['a,b', 'c d', 'é']);
  });

  it('is 401 without a token, and for one that was logged out', async () => {
    expect((await app.get('/auth/verify')).status).toBe(401);
    const { accessToken, refreshToken } = (await app.logIn()).body;
    await app.post('/auth/logout', { refreshToken });
    const { status, headers } = await app.get('/auth/verify', accessToken);
    expect(status).toBe(401);
    expect(headers.get('X-Auth-User')).toBeNull();
  });

  it('is 403 for a token without the role, which is recorded, and 204 for one with it', async () => {
    const { accessToken } = (await app.logIn()).body;
    const { id } = (await app.get('/auth/me', accessToken)).body;
    const denied = await app.get('/auth/verify?role=editor', accessToken);
    expect(denied.status).toBe(403);
    expect(denied.headers.get('X-Auth-User')).toBeNull();
    expect((await app.get('/auth/verify?role=user', accessToken)).status).toBe(204);
    const events = await app.events({ userId: id });
    expect(events.filter(({ type }) => type === 'auth.access.denied.v1')).toEqual([
      expect.objectContaining({ details: expect.objectContaining({ route: 'GET /auth/verify' }) }),
    ]);
  });

  it.each(['role=', 'role=a&role=b', `role=${'r'.repeat(65)}`, 'roles=admin'])('is 400 for %s', async (query) => {
    const { accessToken } = (await app.logIn()).body;
    expect((await app.get(`/auth/verify?${query}`, accessToken)).status).toBe(400);
  });
});

it('GET /auth/verify is 503 when the instance does not know the revocations', async () => {
  const app = await startTestApplication({ env: { REVOCATION_MAX_STALENESS: '2s' } });
  try {
    const { accessToken } = (await app.logIn()).body;
    intercept(app, RevocationFeed, 'read', () => Promise.reject(new Error('the database is away')));
    await until(async () => (await app.get('/auth/verify', accessToken)).status === 503);
    expect((await app.get('/auth/verify', accessToken)).headers.get('Retry-After')).toBe('1');
  } finally {
    await app.close();
  }
});
