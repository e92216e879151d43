import { Controller, Get, HttpCode, type INestApplication, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import {
  CurrentPrincipal,
  type Principal,
  Public,
  RequireAuth,
  ResourceServerModule,
  RevocationView,
  Roles,
} from '../../src/resource-server/nest';
import { asAdmin, changePassword, rotateAll, rotateUser } from '../http/support/administration';
import { newRetryKey } from '../http/support/sessions';
import { type Account } from '../support/app/test-application';
import { sentDuring } from '../support/database/sent';
import { until } from '../support/until';
import { optionsOf, TwoInstances } from './support/services';

@Controller('orders')
class OrdersController {
  @Get()
  list(@CurrentPrincipal() { userId, sessionId, roles }: Principal) {
    return { userId, sessionId, roles };
  }

  @HttpCode(200)
  @Post()
  order() {
    return 'ordered';
  }

  @Public()
  @Get('open')
  open() {
    return 'open';
  }

  @Roles('editor')
  @Get('edited')
  edited() {
    return 'edited';
  }

  @RequireAuth({ maxAge: '1h' })
  @Get('fresh')
  fresh() {
    return 'fresh';
  }

  @RequireAuth({ acr: 'aal3' })
  @Get('strong')
  strong() {
    return 'strong';
  }
}

describe('A Nest service without a database, behind two instances', () => {
  let two: TwoInstances;
  /** One that follows each of the instances. */
  let services: INestApplication[];
  let urls: string[];

  beforeAll(async () => {
    two = await TwoInstances.start();
    services = await Promise.all(
      [two.one, two.other].map(async ({ url }) => {
        const module = await Test.createTestingModule({
          imports: [ResourceServerModule.forRoot(optionsOf(url))],
          controllers: [OrdersController],
        }).compile();
        const app = module.createNestApplication(new FastifyAdapter(), { logger: false });
        await app.listen(0, '127.0.0.1');
        return app;
      }),
    );
    urls = await Promise.all(services.map((service) => service.getUrl()));
  });
  afterAll(async () => {
    await Promise.all(services.map((service) => service.close()));
    await two.close();
  });

  async function ask(url: string, path: string, bearer?: string) {
    const headers = bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` };
    const response = await fetch(`${url}/orders${path}`, { headers });
    const text = await response.text();
    const isJson = response.headers.get('Content-Type')?.includes('json') === true;
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }
  const statuses = (bearer: string) => Promise.all(urls.map(async (url) => (await ask(url, '', bearer)).status));

  it('has the guard and the decorators of the authorization server', async () => {
    const account = await two.one.register();
    const { accessToken, sessionId } = (await two.one.logIn(account)).body;
    const [url = ''] = urls;
    expect((await ask(url, '/open')).status).toBe(200);
    const none = await ask(url, '');
    expect([none.status, none.headers.get('WWW-Authenticate')]).toEqual([401, 'Bearer']);
    expect(none.headers.get('Content-Type')).toMatch(/^application\/problem\+json/);
    expect((await ask(url, '', accessToken)).body).toEqual({ userId: account.id, sessionId, roles: ['user'] });
    expect((await ask(url, '/edited', accessToken)).status).toBe(403);
    expect((await ask(url, '/fresh', accessToken)).status).toBe(200);
    const strong = await ask(url, '/strong', accessToken);
    expect([strong.status, strong.body.code]).toEqual([401, 'reauthentication_required']);
    expect((await ask(url, '', `${accessToken}x`)).status).toBe(401);
  });

  // Seen red with a guard that reads the header alone, and with one that does not look at the origin.
  it('takes the bound cookie of a browser on the same origin, for a change from a page of its own', async () => {
    const { accessToken } = (await two.one.logIn()).body;
    const sent = async (method: string, headers: Record<string, string> = {}) =>
      (await fetch(`${urls[0]}/orders`, { method, headers: { Cookie: `__Host-access=${accessToken}`, ...headers } }))
        .status;
    expect(await sent('GET')).toBe(200);
    expect(await sent('POST')).toBe(403);
    expect(await sent('POST', { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' })).toBe(403);
    expect(await sent('POST', { 'Sec-Fetch-Site': 'same-origin' })).toBe(200);
    expect(await sent('GET', { Cookie: '__Host-access=junk' })).toBe(401);
  });

  it('takes the roles of the token', async () => {
    const account = await two.one.register();
    await asAdmin(two.one, 'PATCH', `/admin/users/${account.id}`, { roles: ['user', 'editor'] });
    const { accessToken } = (await two.one.logIn(account)).body;
    expect((await ask(urls[0]!, '/edited', accessToken)).status).toBe(200);
  });

  interface Subject {
    readonly account: Account & { readonly id: string };
    readonly accessToken: string;
    readonly refreshToken: string;
    readonly sessionId: string;
  }
  const endings: readonly [string, (subject: Subject) => Promise<unknown>][] = [
    ['a log-out', ({ refreshToken }) => two.one.post('/auth/logout', { refreshToken })],
    ['a log-out everywhere', ({ accessToken }) => two.one.request('POST', '/auth/logout-all', { bearer: accessToken })],
    [
      'a password change',
      ({ accessToken, account }) => changePassword(two.one, accessToken, account, 'quite another passphrase'),
    ],
    [
      'the end of a session by its user',
      ({ accessToken, sessionId }) => two.one.request('DELETE', `/auth/sessions/${sessionId}`, { bearer: accessToken }),
    ],
    ["an administrator's end", ({ account }) => asAdmin(two.one, 'DELETE', `/admin/users/${account.id}/sessions`)],
    ['a deactivation', ({ account }) => asAdmin(two.one, 'PATCH', `/admin/users/${account.id}`, { isActive: false })],
    ['a rotation of the user', ({ account }) => rotateUser(two.one, account.id)],
    [
      'a reuse',
      async ({ refreshToken }) => {
        const next = (await two.one.refresh(refreshToken, newRetryKey())).body;
        await two.one.refresh(next.refreshToken, newRetryKey());
        await two.one.refresh(refreshToken);
      },
    ],
    ['a rotation of all', () => rotateAll(two.one)],
  ];

  it.each(endings)('%s is refused by both', async (_, end) => {
    const account = await two.one.register();
    const { body } = await two.one.logIn(account);
    await until(async () => (await statuses(body.accessToken)).every((status) => status === 200));
    await end({ ...body, account });
    await until(async () => (await statuses(body.accessToken)).every((status) => status === 401));
  });

  it('asks nobody about a request: no statement, here or there', async () => {
    const { accessToken } = (await two.one.logIn()).body;
    await until(async () => (await statuses(accessToken)).every((status) => status === 200));
    const sent = await sentDuring(async () => {
      for (let i = 0; i < 200; i++) expect(await statuses(accessToken)).toEqual([200, 200]);
    });
    expect(sent.filter(({ text }) => !text.includes('ratchet: revocation poll'))).toEqual([]);
    const [view] = services.map((service) => service.get(RevocationView));
    expect(view!.stalenessSeconds).toBeLessThan(30);
  });

  it('names every wrong option at its start', async () => {
    const wrong = { ...optionsOf('http://auth.example'), issuer: '' };
    const module = ResourceServerModule.forRoot(wrong);
    await expect(NestFactory.createApplicationContext(module, { logger: false, abortOnError: false })).rejects.toThrow(
      /issuer must be a non-empty string\n.*feed.url must be an https URL/,
    );
  });
});
