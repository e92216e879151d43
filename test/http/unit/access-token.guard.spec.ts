import { randomUUID } from 'node:crypto';
import { Controller, Get, Injectable, UseGuards, type ExecutionContext } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AuthGuard, PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-custom';
import { AccessTokenStrategy } from '../../../src/auth/http/access-token.strategy';
import { AccessTokenGuard } from '../../../src/guard/nest/access-token.guard';
import { CurrentPrincipal, InPerson, Public, RequireAuth, Roles } from '../../../src/guard/nest/decorators';
import type { HttpRequest } from '../../../src/guard/nest/http-request';
import type { AccessTokenClaims } from '../../../src/guard/ports/access-token.keys';
import type { Principal } from '../../../src/guard/principal';
import { InMemoryRevocationFeed } from '../../../src/testing';
import { ADAPTERS } from '../../support/adapters';
import { authentication, FakeSigner, FakeUsers, NOW, SESSION_ID, USER_ID } from './fakes';
import { lasting, startStub, type Answer, type StubApp } from './stub-app';

@Controller()
class MixedController {
  @Get('mine')
  mine(@CurrentPrincipal() principal: Principal): Principal {
    return principal;
  }

  @Public()
  @Get('open')
  open(): string {
    return 'open';
  }

  @Public()
  @Get('open/whose')
  whose(@CurrentPrincipal() principal: Principal): Principal {
    return principal;
  }

  @Roles('admin', 'auditor')
  @Get('roles')
  roles(): string {
    return 'roles';
  }
}

@Roles('admin')
@Controller('admin')
class AdminController {
  @Get()
  all(): string {
    return 'admin';
  }

  @Public()
  @Get('open')
  open(): string {
    return 'open';
  }
}

@Public()
@Controller('shop')
class ShopController {
  @Roles('admin')
  @Get('prices')
  prices(): string {
    return 'prices';
  }
}

@RequireAuth({ maxAge: '10m' })
@Controller('money')
class MoneyController {
  @Get()
  balance(): string {
    return 'balance';
  }

  @RequireAuth({ maxAge: '1h', acr: ['aal2', 'aal3'] })
  @Get('transfers')
  transfers(): string {
    return 'transfers';
  }

  @RequireAuth({ acr: 'aal2' })
  @Roles('admin')
  @Get('limits')
  limits(): string {
    return 'limits';
  }

  @Public()
  @Get('open')
  open(): string {
    return 'open';
  }
}

@InPerson()
@Controller('person')
class PersonController {
  @Get()
  own(): string {
    return 'own';
  }

  @InPerson(false)
  @Get('any')
  any(): string {
    return 'any';
  }

  @InPerson()
  @Public()
  @Get('open')
  open(): string {
    return 'open';
  }
}

@Injectable()
class ApiKeyStrategy extends PassportStrategy(Strategy, 'api-key') {
  validate({ headers }: HttpRequest): object | null {
    return headers['x-api-key'] === 'a-key' ? { apiKey: true } : null;
  }
}

@Public()
@Controller('composed')
class ComposedController {
  @UseGuards(AuthGuard(['ratchet', 'api-key']))
  @Get()
  who(@CurrentPrincipal() principal: Principal): Principal {
    return principal;
  }
}

/** As a host would for GraphQL: the request is somewhere else. */
@Injectable()
class QueryTokenGuard extends AccessTokenGuard {
  protected override requestOf(context: ExecutionContext): HttpRequest {
    const request = context.switchToHttp().getRequest<{ query: { token?: string } }>();
    return Object.assign(super.requestOf(context), { headers: { authorization: `Bearer ${request.query.token}` } });
  }
}

it.each([
  {},
  { maxAge: '' },
  { maxAge: '10' },
  { maxAge: '0m' },
  { maxAge: '1.5h' },
  { maxAge: '-10m' },
  { acr: '' },
  { acr: 'a b' },
  { acr: 'a"b' },
  { acr: [] },
])('@RequireAuth(%j) stops the start', (wanted) => {
  expect(() => RequireAuth(wanted)).toThrow('@RequireAuth');
});

describe.each(ADAPTERS)('the access-token guard on %s', (adapter) => {
  const signer = new FakeSigner();
  const users = new FakeUsers();
  const { providers, options, feed, store } = authentication(signer, users);
  let stub: StubApp;

  beforeAll(async () => {
    signer.issue('good.token-1');
    stub = await startStub(adapter, {
      controllers: [
        MixedController,
        AdminController,
        ShopController,
        ComposedController,
        MoneyController,
        PersonController,
      ],
      providers: [
        ...providers,
        { provide: APP_GUARD, useClass: AccessTokenGuard },
        AccessTokenStrategy,
        ApiKeyStrategy,
      ],
    });
  });
  beforeEach(() => {
    users.user = new FakeUsers().user;
    options.maxStalenessSeconds = 60;
  });
  afterAll(() => stub.app.close());

  const get = (path: string, authorization?: string): Promise<Answer> =>
    stub.send(path, { headers: authorization === undefined ? {} : { authorization } });

  it('a valid token gives its principal', async () => {
    const answer = await get('/mine', 'Bearer good.token-1');
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      userId: USER_ID,
      actor: null,
      sessionId: SESSION_ID,
      roles: ['user'],
      expiresAt: NOW.getTime() / 1000 + 900,
      authTime: null,
      amr: [],
      acr: null,
      jkt: null,
      claims: {},
    });
  });

  const seconds = NOW.getTime() / 1000;
  // Seen red with a token that knows no time let in, with any level in the place of those that are asked for, and with a
  // public route that stays open.
  it.each<[path: string, challenge: string | null, claims: Partial<AccessTokenClaims>]>([
    ['/money', null, { authTime: seconds - 590 }],
    ['/money', 'max_age="600"', { authTime: seconds - 601 }],
    ['/money', 'max_age="600"', {}],
    ['/money', 'max_age="600"', { acr: 'aal2' }],
    ['/money/open', 'max_age="600"', {}],
    ['/money/open', null, { authTime: seconds }],
    ['/money/transfers', null, { authTime: seconds - 3590, acr: 'aal3' }],
    ['/money/transfers', 'max_age="3600", acr_values="aal2 aal3"', { authTime: seconds - 3601, acr: 'aal2' }],
    ['/money/transfers', 'max_age="3600", acr_values="aal2 aal3"', { authTime: seconds, acr: 'aal1' }],
    ['/money/transfers', 'max_age="3600", acr_values="aal2 aal3"', { authTime: seconds }],
    ['/money/limits', 'acr_values="aal2"', { authTime: seconds, acr: 'aal' }],
  ])('%s is answered by %j to a user with %j', async (path, challenge, claims) => {
    const token = randomUUID(); // the guard remembers what a token says
    signer.issue(token, claims);
    const answer = await get(path, `Bearer ${token}`);
    if (challenge === null) {
      expect(answer.status).toBe(200);
    } else {
      expect(answer.status).toBe(401);
      expect(answer.headers['www-authenticate']).toBe(`Bearer error="insufficient_user_authentication", ${challenge}`);
      expect(answer.body).toEqual({
        type: 'about:blank',
        title: 'Unauthorized',
        status: 401,
        code: 'reauthentication_required',
        recovery: 'step_up',
      });
    }
  });

  it('the proof is asked for before the role, and the token before the proof', async () => {
    signer.issue('proved-user', { acr: 'aal2', authTime: seconds });
    expect((await get('/money/limits', 'Bearer proved-user')).status).toBe(403);
    for (const path of ['/money', '/money/open', '/money/limits']) {
      const answer = await get(path);
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer']);
      expect((await get(path, 'Bearer unknown')).headers['www-authenticate']).toBe('Bearer error="invalid_token"');
    }
  });

  it.each(['bearer good.token-1', 'BEARER good.token-1', 'Bearer   good.token-1'])(
    '%j is a bearer token: the scheme has no case',
    async (authorization) => {
      expect((await get('/mine', authorization)).status).toBe(200);
    },
  );

  it('without a token: 401 with a plain challenge', async () => {
    const answer = await get('/mine');
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
  });

  it.each([
    'Bearer',
    'Bearer ',
    'Bearer unknown',
    'Bearer good.token-1,',
    'Bearer good.token-1 good.token-1',
    'Bearer good.token-1, Bearer good.token-1',
    'Bearer "good.token-1"',
    'Bearer =good.token-1',
    'Bearer good.token-1\u00a0',
  ])('%j: 401, all with one body and one challenge', async (authorization) => {
    const answer = await get('/mine', authorization);
    const unknown = await get('/mine', 'Bearer other');
    expect(answer.status).toBe(401);
    expect(answer.text).toBe(unknown.text);
    expect(lasting(answer)).toEqual(lasting(unknown));
    expect(answer.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
  });

  it.each(['good.token-1', 'Basic good.token-1', 'Bearergood.token-1', 'Token good.token-1', 'Bearer\tgood.token-1'])(
    '%j is no bearer token',
    async (authorization) => {
      const answer = await get('/mine', authorization);
      expect(answer.status).toBe(401);
      expect(answer.headers['www-authenticate']).toBe('Bearer');
    },
  );

  // Node keeps the first of two and drops the other: without a look at the raw headers this is 200.
  it('two Authorization headers are refused, whatever they hold', async () => {
    const twice = (...values: string[]) =>
      stub.send('/mine', {
        headers: values.flatMap((value, index) => [index ? 'AUTHORIZATION' : 'authorization', value]),
      });
    expect((await twice('Bearer good.token-1')).status).toBe(200);
    expect((await twice('Bearer good.token-1', 'Bearer good.token-1')).status).toBe(401);
    expect((await twice('Bearer good.token-1', 'Basic YTpi')).status).toBe(401);
  });

  it('a token elsewhere than in the header does not count', async () => {
    expect((await get('/mine?access_token=good.token-1')).status).toBe(401);
    const answer = await stub.send('/mine', { headers: { cookie: 'access_token=good.token-1' } });
    expect(answer.status).toBe(401);
  });

  it('a raised floor refuses the token', async () => {
    const sub = randomUUID();
    signer.issue('raised', { sub });
    expect((await get('/mine', 'Bearer raised')).status).toBe(200);
    await feed.announce([{ kind: 'user', userId: sub, minVersion: 2 }], 'a test');
    expect((await get('/mine', 'Bearer raised')).status).toBe(401);
    expect((await get('/mine', 'Bearer good.token-1')).status).toBe(200);
  });

  it('the end of a session refuses its tokens, and no other of the user', async () => {
    const sid = randomUUID();
    signer.issue('ended', { sid });
    expect((await get('/mine', 'Bearer ended')).status).toBe(200);
    await feed.announce([{ kind: 'session', sessionId: sid }], 'a test');
    expect((await get('/mine', 'Bearer ended')).status).toBe(401);
    expect((await get('/mine', 'Bearer good.token-1')).status).toBe(200);
  });

  // Seen red by what the process knew before it slept.
  it.each([
    ['/mine', 5],
    ['/composed', 10],
  ])('after a sleep, %s is decided by what was revoked meanwhile', async (path, seconds) => {
    const sid = randomUUID();
    const bearer = `Bearer slept-${sid}`;
    signer.issue(`slept-${sid}`, { sid });
    expect((await get(path, bearer)).status).toBe(200);
    await new InMemoryRevocationFeed(store).announce([{ kind: 'session', sessionId: sid }], 'a test');
    const late = Date.now() + seconds * 1000;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => late);
    const { status } = await get(path, bearer);
    clock.mockRestore();
    expect(status).toBe(401);
  });

  it('when the revocations are out of date the answer is 503, not 401 and not "allowed"', async () => {
    options.maxStalenessSeconds = -1;
    const answer = await get('/mine', 'Bearer good.token-1');
    expect(answer.status).toBe(503);
    expect(answer.headers).not.toHaveProperty('www-authenticate');
  });

  it('a public route asks for nothing, and does not even look at a token', async () => {
    options.maxStalenessSeconds = -1;
    expect((await get('/open')).text).toBe('open');
    expect((await get('/open', 'Bearer good.token-1')).text).toBe('open');
  });

  it('a principal that no guard has found is 401, not undefined', async () => {
    expect((await get('/open/whose', 'Bearer good.token-1')).status).toBe(401);
  });

  it.each(['/%6dine', '/mine?', '/mine?x=/open', '//mine', '/mine/', '/MINE', '/open/../mine', '/mine;/open'])(
    'no spelling of the path (%s) leads around the guard',
    async (path) => {
      expect([401, 404]).toContain((await get(path)).status);
    },
  );

  it('a role is asked of the user as it is now, not of the token', async () => {
    signer.issue('claims-admin', { roles: ['admin'] });
    const refused = await get('/roles', 'Bearer claims-admin');
    expect(refused.status).toBe(403);
    expect(refused.body).toEqual({ type: 'about:blank', title: 'Forbidden', status: 403, code: 'insufficient_scope' });
    expect(refused.headers['www-authenticate']).toBe('Bearer error="insufficient_scope"');

    users.user = { ...users.user!, roles: ['user', 'auditor'] };
    expect((await get('/roles', 'Bearer good.token-1')).status).toBe(200);
  });

  it('a user who is gone or inactive has no roles to ask for: 401', async () => {
    users.user = { ...users.user!, roles: ['admin'], isActive: false };
    const inactive = await get('/roles', 'Bearer good.token-1');
    users.user = null;
    const gone = await get('/roles', 'Bearer good.token-1');
    expect([inactive.status, gone.status]).toEqual([401, 401]);
    expect(gone.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
  });

  describe('of somebody who acts for the user', () => {
    const ACTOR = '0199aaaa-0000-7000-8000-00000000000a';
    const acting = (claims: Partial<AccessTokenClaims> = {}, actor = ACTOR): string => {
      const token = randomUUID();
      signer.issue(token, { act: { sub: actor, uv: 1 }, acr: 'aal2', authTime: seconds, ...claims });
      return `Bearer ${token}`;
    };

    it('the principal is the user, and says who acts', async () => {
      const answer = await get('/mine', acting());
      expect(answer).toMatchObject({ status: 200, body: { userId: USER_ID, actor: { userId: ACTOR } } });
    });

    // Seen red, each, without its part of the condition.
    it.each<[path: string, status: number]>([
      ['/mine', 200],
      ['/open', 200],
      ['/roles', 403],
      ['/admin', 403],
      ['/admin/open', 200],
      ['/shop/prices', 403],
      ['/money', 403],
      ['/money/open', 403],
      ['/money/limits', 403],
      ['/person', 403],
      ['/person/any', 200],
      ['/person/open', 200],
      ['/composed', 401],
    ])('%s is answered %i, whatever the roles of the user', async (path, status) => {
      users.user = { ...users.user!, roles: ['user', 'admin', 'auditor'] };
      const answer = await get(path, acting({ roles: ['user', 'admin', 'auditor'] }));
      expect(answer.status).toBe(status);
      if (status !== 403) return;
      const body = { type: 'about:blank', title: 'Forbidden', status: 403, code: 'in_person_required' };
      expect(answer.body).toEqual(body);
      expect(answer.headers['www-authenticate']).toBe('Bearer error="insufficient_scope"');
    });

    // Seen red, each, without its question.
    it('a raised floor of the user, one of the actor, and the end of the session refuse the token', async () => {
      const [sub, actor, sid] = [randomUUID(), randomUUID(), randomUUID()];
      const tokens = [acting({ sub }), acting({}, actor), acting({ sid })];
      const statuses = () => Promise.all(tokens.map(async (token) => (await get('/mine', token)).status));
      expect(await statuses()).toEqual([200, 200, 200]);
      await feed.announce([{ kind: 'user', userId: sub, minVersion: 2 }], 'a test');
      expect(await statuses()).toEqual([401, 200, 200]);
      await feed.announce([{ kind: 'user', userId: actor, minVersion: 2 }], 'a test');
      expect(await statuses()).toEqual([401, 401, 200]);
      await feed.announce([{ kind: 'session', sessionId: sid }], 'a test');
      expect(await statuses()).toEqual([401, 401, 401]);
      // The stamps are two counters: neither makes up for the other.
      const high = [acting({ sub, act: { sub: ACTOR, uv: 9 } }), acting({ act: { sub: actor, uv: 2 } })];
      expect((await Promise.all(high.map((token) => get('/mine', token)))).map(({ status }) => status)).toEqual([
        401, 200,
      ]);
    });
  });

  it('the nearest decorator decides, in both directions', async () => {
    expect((await get('/admin', 'Bearer good.token-1')).status).toBe(403);
    expect((await get('/admin/open')).text).toBe('open');
    expect((await get('/shop/prices')).status).toBe(401);
    expect((await get('/shop/prices', 'Bearer good.token-1')).status).toBe(403);
  });

  it('the passport strategy `ratchet` composes with others', async () => {
    const bearer = await get('/composed', 'Bearer good.token-1');
    expect(bearer.body).toMatchObject({ userId: USER_ID, sessionId: SESSION_ID });
    const key = await stub.send('/composed', { headers: { 'x-api-key': 'a-key' } });
    expect(key.body).toEqual({ apiKey: true });
    // A bound cookie that a foreign page has sent is nobody's, and the next strategy is tried. Seen red with one that throws.
    const cookie = { cookie: '__Host-access=good.token-1' };
    expect((await stub.send('/composed', { headers: cookie })).body).toMatchObject({ userId: USER_ID });
    const foreign = { ...cookie, 'sec-websocket-key': 'x', origin: 'https://evil.example' };
    expect((await stub.send('/composed', { headers: foreign })).status).toBe(401);
    const withKey = await stub.send('/composed', { headers: { ...foreign, 'x-api-key': 'a-key' } });
    expect(withKey.body).toEqual({ apiKey: true });
    const neither = await get('/composed', 'Bearer unknown');
    expect(neither.status).toBe(401);
    expect(neither.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
    options.maxStalenessSeconds = -1;
    expect((await get('/composed', 'Bearer good.token-1')).status).toBe(503);
  });

  it('a host says where its request is', async () => {
    const elsewhere = await startStub(adapter, {
      controllers: [MixedController],
      providers: [...providers, { provide: APP_GUARD, useClass: QueryTokenGuard }],
    });
    expect((await elsewhere.send('/mine?token=good.token-1')).body).toMatchObject({ userId: USER_ID });
    expect((await elsewhere.send('/mine?token=other')).status).toBe(401);
    await elsewhere.app.close();
  });
});
