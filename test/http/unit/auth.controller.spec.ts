import { APP_GUARD } from '@nestjs/core';
import { CommandHandler, CqrsModule, type ICommandHandler } from '@nestjs/cqrs';
import { ok, refusal, type Result } from '../../../src';
import {
  ReauthenticateCommand,
  type ReauthenticationRefusal,
} from '../../../src/auth/application/refresh/reauthenticate.command';
import { RefreshAccessTokenCommand } from '../../../src/auth/application/refresh/refresh-access-token.command';
import { LogOutCommand } from '../../../src/auth/application/sessions/log-out.command';
import { LogInCommand } from '../../../src/auth/application/sign-in/log-in.command';
import type { TokenPair } from '../../../src/auth/application/token-pair.issuer';
import { DbscProofs } from '../../../src/auth/application/dbsc-proofs';
import { HostUsers } from '../../../src/auth/application/host-users';
import { FindActiveUserHandler } from '../../../src/auth/application/users/find-active-user.handler';
import { SessionChallenges } from '../../../src/auth/domain/dbsc';
import type { RefreshRefusal } from '../../../src/auth/domain/refusals';
import { AuthController } from '../../../src/auth/http/auth.controller';
import { BODY_LIMIT } from '../../../src/auth/http/kit/json-body';
import { ReauthenticationController } from '../../../src/auth/http/reauthentication.controller';
import { BoundCookies } from '../../../src/auth/http/dbsc/bound-cookies';
import { RegistrationInvitation } from '../../../src/auth/http/dbsc/registration-invitation';
import { TokenDelivery } from '../../../src/auth/http/token-delivery';
import { SystemClock } from '../../../src/auth/infrastructure/defaults/system-clock';
import { Clock } from '../../../src/auth/ports/clock';
import { AccessTokenGuard } from '../../../src/guard/nest/access-token.guard';
import { Overloaded } from '../../../src/support/overloaded';
import { ADAPTERS } from '../../support/adapters';
import { authentication, FakeSigner, FakeUsers, SESSION_ID, USER_ID } from './fakes';
import { lasting, startStub, type Answer, type StubApp } from './stub-app';

const PAIR: TokenPair = {
  accessToken: 'an.access.token',
  refreshToken: `rt1_${'A'.repeat(92)}`,
  tokenType: 'Bearer',
  expiresIn: 900,
  refreshExpiresIn: 604_800,
  sessionId: SESSION_ID,
  generation: 0,
};
const RETRY_KEY = 'k'.repeat(22);
const CLIENT = { ip: '127.0.0.1', userAgent: 'a browser' };

/** The use cases, as the controller sees them: they note what they were asked, and answer what a test wants. */
const asked: object[] = [];
let loginAnswer: Result<TokenPair, 'invalid_credentials'>;
let refreshAnswer: Result<TokenPair, RefreshRefusal>;
let reauthenticationAnswer: Result<TokenPair, ReauthenticationRefusal>;
let fault: Error | undefined;

function note(command: object): void {
  asked.push(command);
  if (fault !== undefined) throw fault;
}

@CommandHandler(LogInCommand)
class LogIn implements ICommandHandler<LogInCommand> {
  async execute(command: LogInCommand): Promise<typeof loginAnswer> {
    note(command);
    return loginAnswer;
  }
}

@CommandHandler(RefreshAccessTokenCommand)
class Refresh implements ICommandHandler<RefreshAccessTokenCommand> {
  async execute(command: RefreshAccessTokenCommand): Promise<typeof refreshAnswer> {
    note(command);
    return refreshAnswer;
  }
}

@CommandHandler(ReauthenticateCommand)
class Reauthenticate implements ICommandHandler<ReauthenticateCommand> {
  async execute(command: ReauthenticateCommand): Promise<typeof reauthenticationAnswer> {
    note(command);
    return reauthenticationAnswer;
  }
}

@CommandHandler(LogOutCommand)
class LogOut implements ICommandHandler<LogOutCommand> {
  async execute(command: LogOutCommand): Promise<number> {
    note(command);
    return 0;
  }
}

describe.each(ADAPTERS)('the auth routes on %s', (adapter) => {
  const signer = new FakeSigner();
  const users = new FakeUsers();
  const { providers, options } = authentication(signer, users);
  let stub: StubApp;

  beforeAll(async () => {
    signer.issue('good');
    stub = await startStub(adapter, {
      imports: [CqrsModule.forRoot()],
      controllers: [AuthController, ReauthenticationController],
      providers: [
        LogIn,
        Refresh,
        Reauthenticate,
        LogOut,
        HostUsers,
        FindActiveUserHandler,
        BoundCookies,
        DbscProofs,
        RegistrationInvitation,
        TokenDelivery,
        { provide: SessionChallenges, useValue: null },
        { provide: Clock, useClass: SystemClock },
        ...providers,
        { provide: APP_GUARD, useClass: AccessTokenGuard },
      ],
    });
  });
  beforeEach(() => {
    asked.length = 0;
    loginAnswer = ok(PAIR);
    refreshAnswer = ok(PAIR);
    reauthenticationAnswer = ok(PAIR);
    fault = undefined;
    options.exposeRefusalReason = false;
    users.user = new FakeUsers().user;
  });
  afterAll(() => stub.app.close());

  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    stub.post(path, body, { 'user-agent': 'a browser', ...headers });
  const pathsOf = ({ body }: Answer): string[] => body.errors.map(({ path }: { path: string }) => path);

  describe('login', () => {
    const credentials = { email: 'user@example.com', password: 'a password' };

    it('answers 200 with the pair, for nobody to store', async () => {
      const answer = await post('/auth/login', credentials);
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual(PAIR);
      expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', pragma: 'no-cache' });
      expect(asked).toEqual([new LogInCommand('user@example.com', 'a password', CLIENT, 'body')]);
    });

    it('passes on the device and the delivery', async () => {
      await post('/auth/login', { ...credentials, deviceId: 'd', deviceName: 'Phone', delivery: 'body' });
      const client = { ...CLIENT, deviceId: 'd', deviceName: 'Phone' };
      expect(asked).toEqual([new LogInCommand('user@example.com', 'a password', client, 'body')]);
    });

    it('refuses with one body for every reason', async () => {
      loginAnswer = refusal('invalid_credentials');
      options.exposeRefusalReason = true;
      const answer = await post('/auth/login', credentials);
      expect(answer.status).toBe(401);
      expect(answer.text).toBe(
        '{"type":"about:blank","title":"Unauthorized","status":401,"code":"invalid_credentials","recovery":"reauthenticate"}',
      );
      expect(answer.headers).toMatchObject({
        'cache-control': 'no-store',
        pragma: 'no-cache',
        'www-authenticate': 'Bearer',
      });
    });

    it.each([
      [{}, ['email', 'password']],
      [{ ...credentials, email: '' }, ['email']],
      [{ ...credentials, email: 'x'.repeat(321) }, ['email']],
      [{ ...credentials, email: 'a\u0000@example.com' }, ['email']],
      [{ ...credentials, email: { $ne: '' } }, ['email']],
      [{ ...credentials, password: '' }, ['password']],
      [{ ...credentials, password: 12345678 }, ['password']],
      [{ ...credentials, password: 'a\u0000b' }, ['password']],
      [{ ...credentials, deviceId: 'x'.repeat(129) }, ['deviceId']],
      [{ ...credentials, deviceName: 'x'.repeat(129) }, ['deviceName']],
      [{ ...credentials, deviceName: 'a\u001bb' }, ['deviceName']],
      [{ ...credentials, deviceName: null }, ['deviceName']],
      [{ ...credentials, delivery: 'header' }, ['delivery']],
      [{ ...credentials, delivery: null }, ['delivery']],
      [{ ...credentials, roles: ['admin'] }, ['roles']],
    ])('%j is 400 at %j and reaches nobody', async (body, paths) => {
      const answer = await post('/auth/login', body);
      expect(answer.status).toBe(400);
      expect([...new Set(pathsOf(answer))]).toEqual(paths);
      expect(asked).toEqual([]);
    });

    it('takes a device name of 128 characters', async () => {
      expect((await post('/auth/login', { ...credentials, deviceName: 'x'.repeat(128) })).status).toBe(200);
    });
  });

  describe('refresh', () => {
    it('answers 200 with the pair, for nobody to store', async () => {
      const answer = await post('/auth/refresh', { refreshToken: PAIR.refreshToken });
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual(PAIR);
      expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', pragma: 'no-cache' });
      expect(asked).toEqual([new RefreshAccessTokenCommand(PAIR.refreshToken, CLIENT, undefined, 'body')]);
    });

    it.each(['', ' ', 'junk', '\u0000', 'x'.repeat(BODY_LIMIT - '{"refreshToken":""}'.length), 'eyJ.an.access-token'])(
      'every string goes to the use case (%#)',
      async (refreshToken) => {
        refreshAnswer = refusal({ kind: 'refused', reason: 'token_invalid' });
        const answer = await post('/auth/refresh', { refreshToken });
        expect(answer.status).toBe(401);
        expect(asked).toEqual([new RefreshAccessTokenCommand(refreshToken, CLIENT, undefined, 'body')]);
      },
    );

    it.each([undefined, null, 7, true, {}, [], ['rt1_']])('%j is no token: 400', async (refreshToken) => {
      const answer = await post('/auth/refresh', { refreshToken });
      expect(answer.status).toBe(400);
      expect(pathsOf(answer)).toContain('refreshToken');
      expect(asked).toEqual([]);
    });

    it.each([RETRY_KEY, 'Az09-_'.repeat(20), 'k'.repeat(128)])('passes on the retry key (%#)', async (key) => {
      await post('/auth/refresh', { refreshToken: 'rt1_', deviceId: 'd' }, { 'idempotency-key': key });
      expect(asked).toEqual([new RefreshAccessTokenCommand('rt1_', { ...CLIENT, deviceId: 'd' }, key, 'body')]);
    });

    it.each([
      '',
      'k'.repeat(21),
      'k'.repeat(129),
      `${RETRY_KEY}!`,
      `${RETRY_KEY}=`,
      `${RETRY_KEY} ${RETRY_KEY}`,
      '"k"',
    ])('%j is no retry key: 400 that names the header', async (key) => {
      const answer = await post('/auth/refresh', { refreshToken: 'rt1_' }, { 'idempotency-key': key });
      expect(answer.status).toBe(400);
      expect(pathsOf(answer)).toEqual(['Idempotency-Key']);
      expect(asked).toEqual([]);
    });

    it('two retry keys are none', async () => {
      const body = '{"refreshToken":"rt1_"}';
      const headers = ['content-type', 'application/json', 'content-length', String(body.length)];
      headers.push('idempotency-key', RETRY_KEY, 'idempotency-key', RETRY_KEY);
      const answer = await stub.send('/auth/refresh', { method: 'POST', headers, body });
      expect(answer.status).toBe(400);
      expect(pathsOf(answer)).toEqual(['Idempotency-Key']);
    });

    const REASONS = [
      'token_invalid',
      'token_expired',
      'token_revoked',
      'token_version_rejected',
      'user_not_found',
      'user_inactive',
    ] as const;

    it('refusals of every reason are identical to the byte, headers included', async () => {
      const answers: Answer[] = [];
      for (const reason of REASONS) {
        refreshAnswer = refusal({ kind: 'refused', reason });
        answers.push(await post('/auth/refresh', { refreshToken: 'rt1_' }));
      }
      for (const answer of answers) {
        expect(answer.status).toBe(401);
        expect(answer.text).toBe(
          '{"type":"about:blank","title":"Unauthorized","status":401,"code":"refresh_refused","recovery":"reauthenticate"}',
        );
        expect(lasting(answer)).toEqual(lasting(answers[0]!));
        expect(answer.headers).not.toHaveProperty('set-cookie');
        expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', pragma: 'no-cache' });
      }
    });

    it.each(REASONS)('the code is %s where reasons are exposed', async (reason) => {
      options.exposeRefusalReason = true;
      refreshAnswer = refusal({ kind: 'refused', reason });
      const answer = await post('/auth/refresh', { refreshToken: 'rt1_' });
      expect(answer.body).toMatchObject({ status: 401, code: reason, recovery: 'reauthenticate' });
    });

    it.each([
      ['replay_refused', 'retry'],
      ['too_many_replays', 'wait'],
    ] as const)('%s is 429 with Retry-After and recovery %s', async (reason, recovery) => {
      refreshAnswer = refusal({ kind: 'wait', reason, retryAfterSeconds: 3 });
      const answer = await post('/auth/refresh', { refreshToken: 'rt1_' });
      expect(answer.body).toEqual({
        type: 'about:blank',
        title: 'Too Many Requests',
        status: 429,
        code: reason,
        recovery,
      });
      expect(answer.headers).toMatchObject({ 'retry-after': '3', 'cache-control': 'no-store', pragma: 'no-cache' });
    });

    it.each([new Overloaded('full', 2), new Error('Connection terminated unexpectedly')])(
      '%s is 503 with Retry-After, so that the same token works later',
      async (error) => {
        fault = error;
        const answer = await post('/auth/refresh', { refreshToken: 'rt1_' });
        expect(answer.body).toMatchObject({ status: 503, code: 'unavailable', recovery: 'retry' });
        expect(answer.headers['retry-after']).toBe(error instanceof Overloaded ? '2' : '1');
      },
    );
  });

  describe('reauthenticate', () => {
    const proof = { refreshToken: PAIR.refreshToken, password: 'a password' };

    it('answers 200 with the pair, for nobody to store, and passes on the retry key and the device', async () => {
      const headers = { 'idempotency-key': RETRY_KEY };
      const answer = await post('/auth/reauthenticate', { ...proof, deviceId: 'd' }, headers);
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual(PAIR);
      expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', pragma: 'no-cache' });
      const client = { ...CLIENT, deviceId: 'd' };
      expect(asked).toEqual([new ReauthenticateCommand(PAIR.refreshToken, 'a password', client, RETRY_KEY, 'body')]);
    });

    it('refuses a wrong password without a word against the bearer token beside it', async () => {
      reauthenticationAnswer = refusal({ kind: 'invalid_credentials' });
      options.exposeRefusalReason = true;
      const answer = await post('/auth/reauthenticate', proof, { authorization: 'Bearer good' });
      expect(answer.status).toBe(401);
      expect(answer.text).toBe(
        '{"type":"about:blank","title":"Unauthorized","status":401,"code":"invalid_credentials","recovery":"reauthenticate"}',
      );
      expect(answer.headers['www-authenticate']).toBe('Bearer');
      expect(answer.headers).not.toHaveProperty('set-cookie');
    });

    it('refuses a dead token as a refresh does, to the byte', async () => {
      refreshAnswer = reauthenticationAnswer = refusal({ kind: 'refused', reason: 'token_revoked' });
      const answer = await post('/auth/reauthenticate', proof);
      const refreshed = await post('/auth/refresh', { refreshToken: 'rt1_' });
      expect(answer.text).toBe(refreshed.text);
      expect(lasting(answer)).toEqual(lasting(refreshed));
      reauthenticationAnswer = refusal({ kind: 'wait', reason: 'replay_refused', retryAfterSeconds: 1 });
      expect((await post('/auth/reauthenticate', proof)).body).toMatchObject({ status: 429, recovery: 'retry' });
    });

    it.each([
      [{}, ['password']],
      [{ ...proof, password: '' }, ['password']],
      [{ ...proof, password: 12345678 }, ['password']],
      [{ ...proof, password: null }, ['password']],
      [{ ...proof, password: 'a\u0000b' }, ['password']],
      [{ ...proof, refreshToken: null }, ['refreshToken']],
      [{ password: 'a password' }, ['refreshToken']],
      [{ ...proof, deviceName: 'x'.repeat(129) }, ['deviceName']],
      [{ ...proof, amr: ['otp'] }, ['amr']],
    ])('%j is 400 at %j and reaches nobody', async (body, paths) => {
      const answer = await post('/auth/reauthenticate', body);
      expect(answer.status).toBe(400);
      expect([...new Set(pathsOf(answer))]).toEqual(paths);
      expect(asked).toEqual([]);
    });
  });

  describe('logout', () => {
    it('ends the session of a refresh token', async () => {
      const answer = await post('/auth/logout', { refreshToken: 'rt1_' });
      expect([answer.status, answer.text]).toEqual([204, '']);
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(asked).toEqual([new LogOutCommand({ refreshToken: 'rt1_' }, CLIENT)]);
    });

    it.each(['Bearer good', 'bearer unknown', 'Bearer'])(
      'ends the session of %j, known or not',
      async (authorization) => {
        const headers = { authorization, 'user-agent': 'a browser' };
        const answer = await stub.send('/auth/logout', { method: 'POST', headers });
        expect(answer.status).toBe(204);
        const accessToken = authorization.split(' ')[1] ?? '';
        expect(asked).toEqual([new LogOutCommand({ accessToken }, CLIENT)]);
      },
    );

    it('takes every token that the request holds', async () => {
      await post('/auth/logout', { refreshToken: '' }, { authorization: 'Bearer good' });
      expect(asked).toEqual([
        new LogOutCommand({ refreshToken: '' }, CLIENT),
        new LogOutCommand({ accessToken: 'good' }, CLIENT),
      ]);
    });

    it('takes a bearer token with an empty object', async () => {
      expect((await post('/auth/logout', {}, { authorization: 'Bearer good' })).status).toBe(204);
    });

    it('without either: 400', async () => {
      const bare = await stub.send('/auth/logout', { method: 'POST' });
      const basic = await post('/auth/logout', {}, { authorization: 'Basic YTpi' });
      expect([bare.status, basic.status]).toEqual([400, 400]);
      expect(pathsOf(bare)).toEqual(['refreshToken']);
      expect(asked).toEqual([]);
    });

    it.each([null, 7, ['rt1_']])('%j is no refresh token: 400, bearer or not', async (refreshToken) => {
      const answer = await post('/auth/logout', { refreshToken }, { authorization: 'Bearer good' });
      expect(answer.status).toBe(400);
      expect(asked).toEqual([]);
    });

    it('that could not be stored is 503', async () => {
      fault = new Error('Connection terminated');
      expect((await post('/auth/logout', { refreshToken: 'rt1_' })).status).toBe(503);
    });
  });

  describe('me', () => {
    const me = (authorization?: string) =>
      stub.send('/auth/me', { headers: authorization === undefined ? {} : { authorization } });

    it('reads the user, not the token', async () => {
      users.user = { id: USER_ID, email: 'new@example.com', roles: ['user', 'auditor'], isActive: true };
      const answer = await me('Bearer good');
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({
        id: USER_ID,
        email: 'new@example.com',
        roles: ['user', 'auditor'],
        sessionId: SESSION_ID,
      });
      expect(answer.headers['cache-control']).toBe('no-store');
    });

    it('is 401 without a token, and for a user who is gone or inactive', async () => {
      const without = await me();
      users.user = { ...users.user!, isActive: false };
      const inactive = await me('Bearer good');
      users.user = null;
      const gone = await me('Bearer good');
      expect([without.status, inactive.status, gone.status]).toEqual([401, 401, 401]);
      expect(without.headers['www-authenticate']).toBe('Bearer');
      expect(gone.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
      expect(gone.text).toBe(inactive.text);
    });
  });
});
