import {
  type ArgumentsHost,
  Catch,
  Controller,
  type ExceptionFilter,
  Get,
  HttpException,
  type INestApplication,
  Injectable,
  UseGuards,
  ValidationPipe,
  VersioningType,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { AuthGuard, PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-custom';
import { CurrentPrincipal, type HttpRequest, PasswordHasher, type Principal, Public } from '../../src';
import { AuthTestingModule, InMemoryUserDirectory, issueTestToken } from '../../src/testing';
import { ask as askAt } from './support/host';

const ANN = { email: 'ann@example.com', password: 'a long enough passphrase' };

@Controller('accounts')
class AccountsController {
  @Get()
  mine(): string {
    return 'mine';
  }

  @Get('broken')
  broken(): never {
    throw new Error('of the host');
  }
}

/** The host's own way in, beside auth's. */
@Injectable()
class ApiKeyStrategy extends PassportStrategy(Strategy, 'api-key') {
  validate({ headers }: HttpRequest): object | null {
    return headers['x-api-key'] === 'a-key' ? { apiKey: true } : null;
  }
}

@Public()
@Controller('reports')
class ReportsController {
  @UseGuards(AuthGuard(['ratchet', 'api-key']))
  @Get()
  who(@CurrentPrincipal() principal: Principal): Principal {
    return principal;
  }
}

/** Every error of the host, in the host's own shape. */
@Catch()
class HostFilter implements ExceptionFilter {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const status = exception instanceof HttpException ? exception.getStatus() : 500;
    this.adapterHost.httpAdapter.reply(host.switchToHttp().getResponse(), { hostSays: status }, status);
  }
}

describe.each([
  ['fastify', () => new FastifyAdapter()],
  ['express', () => new ExpressAdapter()],
])('a host of other habits on %s', (_, adapter) => {
  let app: INestApplication;
  let url: string;

  beforeAll(async () => {
    const module = await Test.createTestingModule({
      imports: [AuthTestingModule.forRoot()],
      controllers: [AccountsController, ReportsController],
      providers: [ApiKeyStrategy],
    }).compile();
    app = module.createNestApplication(adapter(), { logger: false });
    app.useGlobalPipes(new ValidationPipe({ whitelist: true, transform: true }));
    app.useGlobalFilters(new HostFilter(app.get(HttpAdapterHost)));
    app.setGlobalPrefix('api');
    app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
    await app.listen(0, '127.0.0.1');
    url = `${await app.getUrl()}/api`;
    const passwordHash = await app.get(PasswordHasher).hash(ANN.password);
    const id = '0197a2ff-0000-7000-8000-000000000001';
    await app.get(InMemoryUserDirectory).add({ id, email: ANN.email, roles: ['user'], isActive: true, passwordHash });
  });
  afterAll(() => app.close());

  const ask = (method: string, path: string, body?: unknown, token?: string) => askAt(method, url + path, body, token);
  const send = async (path: string, body: string, type = 'application/json') => {
    const answer = await fetch(url + path, { method: 'POST', headers: { 'Content-Type': type }, body });
    return { status: answer.status, type: answer.headers.get('Content-Type'), body: (await answer.json()) as object };
  };

  it("finds auth's routes behind its prefix, at no version, and its own where it put them", async () => {
    const { status, body } = await ask('POST', '/auth/login', ANN);
    expect(status).toBe(200);
    expect(await ask('GET', '/v1/accounts', undefined, body.accessToken)).toMatchObject({ status: 200, body: 'mine' });
  });

  it("answers its own errors itself, the guard's with their challenge", async () => {
    const refused = await ask('GET', '/v1/accounts', undefined, 'wrong');
    expect(refused).toMatchObject({ status: 401, body: { hostSays: 401 } });
    expect(refused.headers.get('WWW-Authenticate')).toBe('Bearer error="invalid_token"');
    expect(await ask('GET', '/v1/accounts/broken', undefined, await issueTestToken(app))).toMatchObject({
      status: 500,
      body: { hostSays: 500 },
    });
  });

  // Seen red without the strategy in AuthModule.
  it("composes auth's Passport strategy with its own", async () => {
    const token = await issueTestToken(app, { userId: '0197a2ff-0000-7000-8000-000000000002' });
    expect(await ask('GET', '/v1/reports', undefined, token)).toMatchObject({
      status: 200,
      body: { userId: '0197a2ff-0000-7000-8000-000000000002' },
    });
    const byKey = await fetch(`${url}/v1/reports`, { headers: { 'X-Api-Key': 'a-key' } });
    expect(await byKey.json()).toEqual({ apiKey: true });
    expect(await ask('GET', '/v1/reports', undefined, 'wrong')).toMatchObject({ status: 401 });
  });

  it("does not strip what auth's routes refuse", async () => {
    expect(await ask('POST', '/auth/login', { ...ANN, remember: true })).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ path: 'remember', message: 'property remember should not exist' }] },
    });
    const { body } = await ask('POST', '/auth/login', ANN);
    expect(await ask('DELETE', '/auth/sessions?except=all', undefined, body.accessToken)).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ path: 'except' }] },
    });
  });

  it.each([
    ['a form', 'email=ann&password=guess', 'application/x-www-form-urlencoded', 415],
    ['plain text', JSON.stringify(ANN), 'text/plain', 415],
    ['17 KiB', JSON.stringify({ ...ANN, deviceName: 'x'.repeat(17 * 1024) }), 'application/json', 413],
    ['an array', '[]', 'application/json', 400],
    ['a constructor', `{"constructor":1,"email":"a","password":"b"}`, 'application/json', 400],
    ['no fields', '{}', 'application/json', 400],
  ])('has %s refused as everywhere', async (__, body, type, status) => {
    const answer = await send('/auth/login', body, type);
    expect(answer.status).toBe(status);
    expect(answer.type).toMatch(/^application\/problem\+json/);
  });

  it('does not let __proto__ past the validation', async () => {
    const answer = await send('/auth/login', `{"__proto__":{"polluted":true},"email":"a","password":"b"}`);
    expect(answer.status).toBe(400);
  });

  it("answers 503 when something of auth's breaks", async () => {
    jest.spyOn(app.get(PasswordHasher), 'verify').mockRejectedValueOnce(new Error('a fault'));
    expect(await ask('POST', '/auth/login', ANN)).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  });
});
