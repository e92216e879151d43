import { randomUUID } from 'node:crypto';
import { Controller, Get, type INestApplication, UseGuards } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ExpressAdapter } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import {
  AccessDenied,
  AccessTokenAuthenticator,
  AccessTokenGuard,
  AuthEventLog,
  CurrentPrincipal,
  PasswordHasher,
  type Principal,
  Public,
  Roles,
  RevokeUserSessionsCommand,
  SessionRepository,
} from '../../src';
import {
  advanceClock,
  AuthTestingModule,
  InMemoryUserDirectory,
  issueTestToken,
  MovableClock,
} from '../../src/testing';
import { newSession } from '../ports/adapters';

/** A host's controller, and what its author would like to know of it. */
@Controller('accounts')
class AccountsController {
  @Get()
  mine(@CurrentPrincipal() { userId }: Principal): string[] {
    return [`account of ${userId}`];
  }

  @Roles('auditor')
  @Get('all')
  all(): string {
    return 'all';
  }

  @Public()
  @Get('rates')
  rates(): string {
    return 'rates';
  }
}

/** Of a host without the global guard. */
@UseGuards(AccessTokenGuard)
@Controller('reports')
class ReportsController {
  @Roles('auditor')
  @Get(':id')
  one(): string {
    return 'one';
  }
}

describe('a guarded controller, tested without a database', () => {
  let app: INestApplication;
  let url: string;

  beforeEach(async () => {
    const module = await Test.createTestingModule({
      imports: [AuthTestingModule.forRoot()],
      controllers: [AccountsController],
    }).compile();
    app = module.createNestApplication(new ExpressAdapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
  });
  afterEach(() => app.close());

  const get = (path: string, token?: string) =>
    fetch(url + path, { headers: token === undefined ? {} : { Authorization: `Bearer ${token}` } });
  const post = async (path: string, body: object) => {
    const answer = await fetch(url + path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, string> };
  };

  it('meets a token with the claims and the proof that a test asks for', async () => {
    const claims = { tenant: 'a' };
    const token = await issueTestToken(app, { authAgeSeconds: 90, amr: ['hwk'], acr: 'aal3', claims });
    const principal = (await app.get(AccessTokenAuthenticator).authenticate(token))!;
    expect(principal).toMatchObject({ amr: ['hwk'], acr: 'aal3', claims });
    const age = app.get(MovableClock).now().getTime() / 1000 - principal.authTime!;
    expect([Math.floor(age), app.get(AccessTokenAuthenticator).authenticate(await issueTestToken(app))]).toEqual([
      90,
      expect.objectContaining({ amr: ['pwd'], acr: null, claims: {} }),
    ]);
  });

  it('is closed without a token, and open with one', async () => {
    const userId = randomUUID();
    expect((await get('/accounts')).status).toBe(401);
    const answer = await get('/accounts', await issueTestToken(app, { userId }));
    expect([answer.status, await answer.json()]).toEqual([200, [`account of ${userId}`]]);
    expect((await get('/accounts/rates')).status).toBe(200);
  });

  it('asks for the roles that a test gives', async () => {
    expect((await get('/accounts/all', await issueTestToken(app))).status).toBe(403);
    expect((await get('/accounts/all', await issueTestToken(app, { roles: ['auditor'] }))).status).toBe(200);
  });

  // Seen red: the guard that Nest makes for the host's module had only what auth exports, so a token's roles decided.
  it('is guarded without the global guard alike: the current roles decide, and a denial is recorded', async () => {
    const module = await Test.createTestingModule({
      imports: [AuthTestingModule.forRoot({ globalGuard: false })],
      controllers: [ReportsController],
    }).compile();
    const host = module.createNestApplication(new ExpressAdapter(), { logger: false });
    await host.listen(0, '127.0.0.1');
    const userId = randomUUID();
    const token = await issueTestToken(host, { userId, roles: ['auditor'] });
    const read = async () =>
      (await fetch(`${await host.getUrl()}/reports/7?q=1`, { headers: { Authorization: `Bearer ${token}` } })).status;
    expect(await read()).toBe(200);
    await host.get(InMemoryUserDirectory, { strict: false }).setRoles(userId, ['user']);
    expect(await read()).toBe(403);
    const { items } = await host.get(AuthEventLog, { strict: false }).find({ userId, type: AccessDenied.type }, 10);
    expect(items[0]?.details).toEqual({ requiredRoles: ['auditor'], route: 'GET /reports/:id' });
    await host.close();
  });

  it('refuses a token that has expired, from the start or when the clock moves', async () => {
    expect((await get('/accounts', await issueTestToken(app, { expiresInSeconds: 0 }))).status).toBe(401);
    const token = await issueTestToken(app, { expiresInSeconds: 60 });
    expect((await get('/accounts', token)).status).toBe(200);
    await advanceClock(app, 61);
    expect((await get('/accounts', token)).status).toBe(401);
  });

  it('refuses the tokens of a user whose sessions were ended', async () => {
    const userId = randomUUID();
    const token = await issueTestToken(app, { userId });
    await app.get(CommandBus).execute(new RevokeUserSessionsCommand(userId));
    expect((await get('/accounts', token)).status).toBe(401);
    expect((await get('/accounts', await issueTestToken(app, { userId }))).status).toBe(200);
  });

  it("plays auth's own routes: sign-in, refresh, and the end of a session that is too old", async () => {
    const id = randomUUID();
    const passwordHash = await app.get(PasswordHasher).hash('a long enough passphrase');
    await app
      .get(InMemoryUserDirectory, { strict: false })
      .add({ id, email: 'ann@example.com', roles: ['user'], isActive: true, passwordHash });
    const signedIn = await post('/auth/login', { email: 'ann@example.com', password: 'a long enough passphrase' });
    expect(signedIn.status).toBe(200);
    const refreshed = await post('/auth/refresh', { refreshToken: signedIn.body.refreshToken });
    expect((await get('/accounts', refreshed.body.accessToken)).status).toBe(200);
    await advanceClock(app, 8 * 24 * 60 * 60);
    const late = await post('/auth/refresh', { refreshToken: refreshed.body.refreshToken });
    expect(late).toMatchObject({ status: 401, body: { code: 'token_expired' } });
    const { items: events } = await app.get(AuthEventLog).find({ userId: id }, 50);
    expect(events.filter(({ outcome }) => outcome === 'failed').map(({ reason }) => reason)).toEqual(['token_expired']);
  });

  // Seen red with thirty days for everyone.
  it('keeps an ended session as long as the options say', async () => {
    const options = { sessionRetentionSeconds: 60 };
    const module = await Test.createTestingModule({ imports: [AuthTestingModule.forRoot({ options })] }).compile();
    const sessions = module.get(SessionRepository);
    const { id } = await sessions.open(newSession({ idleTtlSeconds: 600, absoluteTtlSeconds: 600 }));
    module.get(MovableClock).advance(660);
    expect(await sessions.findById(id)).toMatchObject({ id });
    module.get(MovableClock).advance(1);
    expect(await sessions.findById(id)).toBeNull();
  });
});
