import { CommandBus } from '@nestjs/cqrs';
import { ActAsUserCommand } from '../../src';
import { openApiDocument } from '../../src/auth/http';
import { ADMIN, type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { granted } from '../support/result';
import { asAdmin } from './support/administration';
import { rowOf } from './support/sessions';

/** What a token by which somebody acts for a user may do on the application's own routes. */
const ACCEPTED = ['GET /auth/me'];
/** Public: it reads the tokens of a request by itself. */
const ENDS_NOTHING = ['POST /auth/logout'];

describe('A token by which somebody acts for a user', () => {
  let app: TestApplication;
  let user: Awaited<ReturnType<TestApplication['register']>>;
  let actor: Json;
  let own: Json;
  let acting: string;
  beforeAll(async () => {
    app = await startTestApplication();
    user = await app.register();
    // The most that a token could do: both are administrators.
    await asAdmin(app, 'PATCH', `/admin/users/${user.id}`, { roles: ['user', 'admin'] });
    actor = (await app.logIn(ADMIN)).body;
  });
  afterAll(() => app.close());
  beforeEach(() => begin());

  const begin = async () => {
    own = (await app.logIn(user)).body;
    const command = new ActAsUserCommand(actor.sessionId, user.id, { reason: 'Ticket 4711', ttl: 300 });
    acting = granted(await app.app.get(CommandBus).execute(command)).accessToken;
  };

  /** Every route whose document says that it takes an access token. */
  const routes = (): string[] =>
    Object.entries(openApiDocument(app.app).paths).flatMap(([path, methods]) =>
      Object.entries(methods as Record<string, { security?: object[] }>).flatMap(([method, { security = [] }]) =>
        security.some((scheme) => 'bearer' in scheme) ? [`${method.toUpperCase()} ${path}`] : [],
      ),
    );
  const request = (route: string, bearer: string) => {
    const [method = '', path = ''] = route.replace('{id}', user.id).split(' ');
    return app.request(method, path, { bearer, ...(method !== 'GET' && { body: {} }) });
  };

  // Seen red without `InPerson()` on auth's routes. A new route is refused, or is listed above.
  it('is refused by every route that takes an access token, except those that are listed', async () => {
    const guarded = routes();
    expect(guarded.length).toBeGreaterThan(15);
    expect(guarded).toEqual(expect.arrayContaining([...ACCEPTED, ...ENDS_NOTHING]));
    for (const route of guarded.filter((one) => ![...ACCEPTED, ...ENDS_NOTHING].includes(one))) {
      const { status, body, headers } = await request(route, acting);
      const body403 = { type: 'about:blank', title: 'Forbidden', status: 403, code: 'in_person_required' };
      expect([route, status, body]).toEqual([route, 403, body403]);
      expect(headers.get('WWW-Authenticate')).toBe('Bearer error="insufficient_scope"');
      // Of the user in person, the same request has another answer.
      expect([route, (await request(route, own.accessToken)).status]).not.toEqual([route, 403]);
      await begin(); // some of them end what there was
    }
  });

  it('shows whose it is', async () => {
    expect(await app.get('/auth/me', acting)).toMatchObject({ status: 200, body: { id: user.id } });
  });

  // Seen red with the session of any access token.
  it('ends no session by a log-out, neither the actor’s nor one of the user', async () => {
    const { refreshToken, sessionId } = own;
    expect(await app.request('POST', '/auth/logout', { bearer: acting, body: {} })).toMatchObject({ status: 204 });
    for (const id of [actor.sessionId, sessionId]) expect(await rowOf(app, id)).toMatchObject({ revoked_at: null });
    expect(await app.get('/auth/me', acting)).toMatchObject({ status: 200 });
    // Beside it, any other credential of the request ends its own session.
    await app.request('POST', '/auth/logout', { bearer: acting, body: { refreshToken } });
    expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
    expect(await rowOf(app, actor.sessionId)).toMatchObject({ revoked_at: null });
  });

  it('is no refresh token', async () => {
    expect(await app.refresh(acting)).toMatchObject({ status: 401, body: { code: 'token_invalid' } });
  });

  it('leaves a record of what it was refused, which names both', async () => {
    await request('GET /admin/audit-events', acting);
    const { id: actorId } = (await app.get('/auth/me', actor.accessToken)).body;
    const denied = (await app.events({ userId: user.id })).filter(({ type }) => type === 'auth.access.denied.v1');
    expect(denied.at(-1)).toMatchObject({
      session_id: actor.sessionId,
      details: { actorId },
    });
    const [acted] = (await app.events({ userId: user.id })).filter(({ type }) => type === 'auth.user.acted_as.v1');
    expect(acted).toMatchObject({ outcome: 'succeeded', details: { actorId, cause: 'Ticket 4711' } });
  });
});
