import { Controller, Patch, Post, Req, type INestApplication } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  clientOf,
  CurrentPrincipal,
  type HttpRequest,
  PasswordHasher,
  type Principal,
  RequireAuth,
  StepUpSessionCommand,
} from '../../src';
import { advanceClock, AuthTestingModule, InMemoryUserDirectory } from '../../src/testing';
import { newUser } from '../ports/adapters';
import { ADAPTERS } from '../support/adapters';
import { granted } from '../support/result';

const PASSWORD = 'a long enough passphrase';

@Controller()
class AccountController {
  constructor(private readonly commands: CommandBus) {}

  @RequireAuth({ maxAge: '10m' })
  @Patch('email')
  changeEmail(): string {
    return 'changed';
  }

  @RequireAuth({ maxAge: '10m', acr: 'aal2' })
  @Post('transfers')
  transfer(): string {
    return 'sent';
  }

  /** Whatever the host has verified. */
  @Post('second-factor')
  async secondFactor(@CurrentPrincipal() { userId }: Principal, @Req() request: HttpRequest): Promise<object> {
    const token = request.headers['x-refresh-token'] as string;
    const factor = { method: 'totp', amr: ['pwd', 'otp'], acr: 'aal2', userId };
    return granted(await this.commands.execute(new StepUpSessionCommand(token, factor, clientOf(request))));
  }
}

describe.each(ADAPTERS)('In a host on %s, a route that requires a recent proof', (adapter) => {
  let app: INestApplication;
  let url: string;
  const user = newUser();

  beforeAll(async () => {
    const module = await Test.createTestingModule({
      imports: [AuthTestingModule.forRoot()],
      controllers: [AccountController],
    }).compile();
    app = module.createNestApplication(adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter(), {
      logger: false,
    });
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
    const passwordHash = await app.get(PasswordHasher).hash(PASSWORD);
    await app.get(InMemoryUserDirectory).add({ ...user, passwordHash });
  });
  afterAll(() => app.close());

  const send = async (method: string, path: string, body: object = {}, bearer?: string, headers: object = {}) => {
    const answer = await fetch(url + path, {
      method,
      headers: {
        'Content-Type': 'application/json',
        ...(bearer !== undefined && { Authorization: `Bearer ${bearer}` }),
        ...headers,
      },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    const challenge = answer.headers.get('WWW-Authenticate');
    return { status: answer.status, challenge, body: text.startsWith('{') ? JSON.parse(text) : text };
  };
  const STEP_UP = { code: 'reauthentication_required', recovery: 'step_up' };

  it('is refused with its challenge, and granted after the password (ASVS 7.5.1, 7.2.4)', async () => {
    const login = (await send('POST', '/auth/login', { email: user.email, password: PASSWORD })).body;
    expect((await send('PATCH', '/email', {}, login.accessToken)).status).toBe(200);

    await advanceClock(app, 601);
    const refused = await send('PATCH', '/email', {}, login.accessToken);
    expect(refused).toMatchObject({
      status: 401,
      challenge: 'Bearer error="insufficient_user_authentication", max_age="600"',
      body: STEP_UP,
    });
    const refreshed = (await send('POST', '/auth/refresh', { refreshToken: login.refreshToken })).body;
    expect((await send('PATCH', '/email', {}, refreshed.accessToken)).body).toMatchObject(STEP_UP);

    const { refreshToken } = refreshed;
    const wrong = await send('POST', '/auth/reauthenticate', { refreshToken, password: 'not the passphrase' });
    expect(wrong).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
    const proved = await send('POST', '/auth/reauthenticate', { refreshToken, password: PASSWORD });
    expect(proved).toMatchObject({ status: 200, body: { sessionId: login.sessionId, generation: 2 } });
    expect((await send('PATCH', '/email', {}, proved.body.accessToken)).status).toBe(200);
    expect((await send('PATCH', '/email', {}, refreshed.accessToken)).status).toBe(401);

    await advanceClock(app, 601);
    const { accessToken } = (await send('POST', '/auth/refresh', { refreshToken: proved.body.refreshToken })).body;
    expect((await send('PATCH', '/email', {}, accessToken)).body).toMatchObject(STEP_UP);
  });

  // Seen red with a password that keeps the level of an earlier factor.
  it('at a level is granted after a factor of the host, and no longer after the password alone', async () => {
    const login = (await send('POST', '/auth/login', { email: user.email, password: PASSWORD })).body;
    const refused = await send('POST', '/transfers', {}, login.accessToken);
    expect(refused.challenge).toBe('Bearer error="insufficient_user_authentication", max_age="600", acr_values="aal2"');
    const factor = { 'X-Refresh-Token': login.refreshToken };
    const stepped = await send('POST', '/second-factor', {}, login.accessToken, factor);
    expect(stepped.status).toBe(201);
    expect((await send('POST', '/transfers', {}, stepped.body.accessToken)).status).toBe(201);

    await advanceClock(app, 601);
    const { refreshToken } = stepped.body;
    const again = (await send('POST', '/auth/reauthenticate', { refreshToken, password: PASSWORD })).body;
    expect((await send('PATCH', '/email', {}, again.accessToken)).status).toBe(200);
    expect((await send('POST', '/transfers', {}, again.accessToken)).body).toMatchObject(STEP_UP);
  });
});
