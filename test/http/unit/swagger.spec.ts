import { Controller, Get } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { AuthController } from '../../../src/auth/http/auth.controller';
import { ApiProblems } from '../../../src/auth/http/kit/api-problems';
import { setupSwagger } from '../../../src/auth/http/kit/swagger';
import { BoundCookies } from '../../../src/auth/http/dbsc/bound-cookies';
import { RegistrationInvitation } from '../../../src/auth/http/dbsc/registration-invitation';
import { TokenDelivery } from '../../../src/auth/http/token-delivery';
import { AuthOptions } from '../../../src/auth/options/auth.options';
import { SessionCredentials } from '../../../src/auth/application/sessions/session-credentials';
import { AccessTokenAuthenticator } from '../../../src/guard/access-token.authenticator';
import { ADAPTERS } from '../../support/adapters';
import { startStub, type StubApp } from './stub-app';

@Controller('aardvarks')
class AardvarkController {
  @ApiProblems([403])
  @Get()
  list(): string {
    return '';
  }
}

// Sizes, required fields and comments come from the build's plugin, which does not run here: openapi.json has them.
describe.each(ADAPTERS)('the documentation on %s', (adapter) => {
  let stub: StubApp;
  let document: any;

  beforeAll(async () => {
    stub = await startStub(
      adapter,
      {
        imports: [CqrsModule.forRoot()],
        controllers: [AardvarkController, AuthController],
        providers: [
          { provide: TokenDelivery, useValue: {} },
          { provide: BoundCookies, useValue: {} },
          { provide: RegistrationInvitation, useValue: {} },
          { provide: SessionCredentials, useValue: {} },
          { provide: AccessTokenAuthenticator, useValue: {} },
          { provide: AuthOptions, useValue: {} },
        ],
      },
      { prepare: setupSwagger },
    );
    document = (await stub.send('/docs-json')).body;
  });
  afterAll(() => stub.app.close());

  it('the page and its scripts are served, with the headers a page needs', async () => {
    const page = await stub.send('/docs');
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toMatch(/^text\/html/);
    expect(page.headers['x-frame-options']).toBe('SAMEORIGIN');
    expect(page.headers['content-security-policy']).toContain("script-src 'self'");
    expect(page.headers['content-security-policy']).not.toContain('upgrade-insecure-requests');
    const scripts = [...page.text.matchAll(/<script src="([^"]+)"/g)];
    expect(scripts).not.toEqual([]);
    for (const script of scripts) {
      expect((await stub.send(new URL(script[1]!, 'http://host/docs').pathname)).status).toBe(200);
    }
  });

  it('routes are listed in the order of the tour, before all others', () => {
    expect(Object.keys(document.paths)).toEqual([
      '/auth/login',
      '/auth/refresh',
      '/auth/logout',
      '/auth/me',
      '/aardvarks',
      '/auth/logout-all',
      '/auth/password',
    ]);
  });

  it('every route has its problems, each with an example of its own status', () => {
    const statuses = (path: string, method: string) =>
      Object.keys(document.paths[path][method].responses).filter((status) => Number(status) >= 400);
    expect(statuses('/auth/login', 'post')).toEqual(['400', '401', '403', '413', '415', '429', '503']);
    expect(statuses('/auth/refresh', 'post')).toEqual(['400', '401', '403', '413', '415', '429', '503']);
    expect(statuses('/auth/logout', 'post')).toEqual(['400', '403', '413', '415', '429', '503']);
    expect(statuses('/auth/me', 'get')).toEqual(['401', '503']);
    for (const path of ['/auth/login', '/auth/refresh', '/auth/logout']) {
      for (const status of statuses(path, 'post')) {
        const problem = document.paths[path].post.responses[status].content['application/problem+json'];
        expect(problem.example).toMatchObject({ type: 'about:blank', status: Number(status) });
        expect(problem.schema).toEqual({ $ref: '#/components/schemas/ProblemDetails' });
      }
    }
    expect(document.components.schemas).toHaveProperty('ProblemDetails');
  });

  it('every operation has a plain name of its own, and says what it asks for', () => {
    const operations = Object.values<Record<string, { operationId: string; security?: object[] }>>(
      document.paths,
    ).flatMap((path) => Object.values(path));
    const names = operations.map(({ operationId }) => operationId);
    expect(names).toEqual(['login', 'refresh', 'logout', 'me', 'list', 'logoutAll', 'changePassword']);
    for (const { security } of operations) expect(security).toBeDefined();
    expect(document.info.license).toMatchObject({ name: 'MIT' });
    expect(document.servers).toEqual([{ url: '/' }]);
  });

  it('a refused origin is no question of a bearer token: no challenge is promised with it', () => {
    for (const path of ['/auth/login', '/auth/refresh', '/auth/logout']) {
      expect(document.paths[path].post.responses['403']).not.toHaveProperty('headers');
    }
    expect(document.paths['/aardvarks'].get.responses['403'].headers).toHaveProperty('WWW-Authenticate');
  });

  it('the routes that take a bearer token say so', () => {
    expect(document.components.securitySchemes.bearer).toMatchObject({ type: 'http', scheme: 'bearer' });
    expect(document.paths['/auth/me'].get.security).toEqual([{ bearer: [] }]);
    expect(document.paths['/auth/refresh'].post.security).toEqual([]);
  });
});

it.each(ADAPTERS)('without the documentation there is none on %s', async (adapter) => {
  const stub = await startStub(adapter, { controllers: [AardvarkController] });
  expect((await stub.send('/docs')).status).toBe(404);
  await stub.app.close();
});
