import { Controller, type INestApplication, Post, Req, VersioningType } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { EventEmitterModule } from '@nestjs/event-emitter';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { AuthModule, InvalidAuthOptions, OAUTH_ROUTES, PasswordHasher, Public } from '../../src';
import { AuthTestingModule, type AuthTestingOptions, InMemoryUserDirectory } from '../../src/testing';

const ANN = { email: 'ann@example.com', password: 'a long enough passphrase' };
const OPTIONS = { accessTokenIssuer: 'https://finance.example', oauthClientId: 'mobile' };

/** A route of the host that takes forms, by the host's own parser. */
@Public()
@Controller('forms')
class FormsController {
  @Post()
  echo(@Req() { body }: { body: object }): object {
    return { ...body };
  }
}

describe.each([
  ['fastify', () => new FastifyAdapter()],
  ['express', () => new ExpressAdapter()],
])("OAuth's routes in a host on %s", (_, adapter) => {
  let app: INestApplication | undefined;
  afterEach(() => app?.close());

  async function start(given: AuthTestingOptions, prepare: (app: INestApplication) => void = () => undefined) {
    const module = await Test.createTestingModule({
      imports: [AuthTestingModule.forRoot({ oauth: true, options: OPTIONS, ...given })],
      controllers: [FormsController],
    }).compile();
    app = module.createNestApplication(adapter(), { logger: false });
    prepare(app);
    await app.listen(0, '127.0.0.1');
    const passwordHash = await app.get(PasswordHasher).hash(ANN.password);
    const id = '0197a2ff-0000-7000-8000-000000000001';
    await app.get(InMemoryUserDirectory).add({ id, email: ANN.email, roles: ['user'], isActive: true, passwordHash });
    return app.getUrl();
  }

  const send = async (url: string, body: string, type = 'application/x-www-form-urlencoded') => {
    const answer = await fetch(url, { method: 'POST', headers: { 'Content-Type': type }, body });
    return { status: answer.status, body: JSON.parse(await answer.text()) };
  };
  const logIn = async (url: string): Promise<string> =>
    (await send(`${url}/auth/login`, JSON.stringify(ANN), 'application/json')).body.refreshToken;
  const grant = (refreshToken: string, more = '') =>
    `grant_type=refresh_token&client_id=mobile&refresh_token=${refreshToken}${more}`;

  it('read the forms that its own parser has read, and leave its own forms to it', async () => {
    const url = await start({});
    const refreshToken = await logIn(url);
    expect(await send(`${url}/oauth/token`, grant(refreshToken, `&refresh_token=${refreshToken}`))).toMatchObject({
      status: 400,
      body: { error: 'invalid_request', error_description: 'each parameter must be given once' },
    });
    expect(await send(`${url}/oauth/token`, grant(refreshToken, '&a[b]=c&__proto__[x]=1'))).toMatchObject({
      body: { token_type: 'Bearer' },
    });
    expect(await send(`${url}/oauth/token`, grant('x'.repeat(17_000)))).toMatchObject({
      status: 413,
      body: { error: 'invalid_request' },
    });
    expect(await send(`${url}/forms`, 'a=b')).toMatchObject({ body: { a: 'b' } });
  });

  it('are at the root, beside a prefix that excludes them, at no version', async () => {
    const url = await start({}, (host) => {
      host.setGlobalPrefix('api', { exclude: [...OAUTH_ROUTES] });
      host.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
    });
    const metadata = await (await fetch(`${url}/.well-known/oauth-authorization-server`)).json();
    expect(metadata).toMatchObject({ token_endpoint: 'https://finance.example/oauth/token' });
    const answer = await send(`${url}/oauth/token`, grant(await logIn(`${url}/api`)));
    expect(answer).toMatchObject({ status: 200, body: { token_type: 'Bearer' } });
  });

  it('are found at a version that is in a header', async () => {
    const url = await start({}, (host) => host.enableVersioning({ type: VersioningType.HEADER, header: 'X-Version' }));
    expect((await fetch(`${url}/.well-known/jwks.json`)).status).toBe(200);
  });

  // Seen red without the check: the metadata named addresses that were 404.
  it('stop the start where a prefix has moved them', async () => {
    await expect(start({}, (host) => host.setGlobalPrefix('api'))).rejects.toThrow(
      /needs its routes at the root.*exclude: \[\.\.\.OAUTH_ROUTES\]/,
    );
  });

  it("are there without auth's own", async () => {
    const url = await start({ controllers: false });
    expect(await (await fetch(`${url}/.well-known/jwks.json`)).json()).toEqual({ keys: [] });
    expect((await send(`${url}/oauth/token`, grant('junk'))).body.error).toBe('invalid_grant');
    expect((await fetch(`${url}/auth/login`, { method: 'POST' })).status).toBe(404);
  });

  it('are not there unless the host says so', async () => {
    const url = await start({ oauth: false });
    expect((await fetch(`${url}/.well-known/jwks.json`)).status).toBe(404);
  });
});

it('OAuth is decided beside the factory of the options, not by it', async () => {
  const module = AuthModule.forRootAsync({
    useFactory: () => ({
      ...OPTIONS,
      accessTokenAudience: 'finance',
      accessTokenKeys: [{ kid: 'k1', secret: Buffer.alloc(32, 'secret') }],
      refreshTokenKeys: [{ id: 0, root: Buffer.alloc(32, 'root') }],
      oauth: true,
    }),
    userDirectory: InMemoryUserDirectory,
  });
  const buses = [CqrsModule.forRoot(), EventEmitterModule.forRoot()];
  await expect(Test.createTestingModule({ imports: [...buses, module] }).compile()).rejects.toThrow(InvalidAuthOptions);
});
