import { randomUUID } from 'node:crypto';
import { CommandBus } from '@nestjs/cqrs';
import { LogOutEverywhereCommand, RevokeUserSessionsCommand, Throttled } from '../../src';
import {
  type Account,
  ADMIN,
  type Answer,
  type Json,
  startTestApplication,
  type TestApplication,
} from '../support/app/test-application';
import { until } from '../support/until';
import {
  age,
  type Chain,
  newRetryKey,
  openChain,
  rowOf,
  sealElsewhere,
  TRUSTING,
  userFloorOf,
} from './support/sessions';

const LIMITS = {
  LIMIT_LOGIN_PER_ACCOUNT: '3/15m',
  LIMIT_LOGIN_PER_IP: '8/15m',
  LIMIT_LOGIN_ANYWHERE: '20/15m',
  LIMIT_REFRESH_PER_SESSION: '5/1h',
  LIMIT_REFRESH_PER_USER: '12/1h',
  LIMIT_INVALID_PER_IP: '4/1h',
  LIMIT_LOGOUT_PER_SESSION: '3/1h',
  LIMIT_LOGOUT_PER_IP: '6/1h',
  LIMIT_REGISTER_PER_IP: '2/1h',
  LIMIT_LIST_PER_USER: '3/1h',
};
const PASSWORD = 'a long enough passphrase';

let networks = 0;
/** An address that nothing has come from yet. */
const newIp = () => `10.${++networks >> 16}.${(networks >> 8) & 255}.${networks & 255}`;
/** An address of an IPv6 customer, who has 2 to the 64 of them. */
const newIpOf = (customer: string) => `2001:db8:${customer}:1:${randomUUID().slice(0, 4)}::${randomUUID().slice(0, 4)}`;

const expectThrottled = (answer: Answer, longest: number) => {
  expect(answer.status).toBe(429);
  expect(answer.body).toEqual({
    type: 'about:blank',
    title: 'Too Many Requests',
    status: 429,
    code: 'throttled',
    recovery: 'wait',
  });
  const wait = Number(answer.headers.get('Retry-After'));
  expect(wait).toBeGreaterThan(longest / 2);
  expect(wait).toBeLessThanOrEqual(longest);
  expect(answer.headers.get('Cache-Control')).toBe('no-store');
};

describe('There is a limit', () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ env: { ...TRUSTING, ...LIMITS } });
  });
  afterAll(() => app.close());

  const from = (ip: string) => ({ 'X-Forwarded-For': ip });
  const register = (ip = newIp(), email = `${randomUUID()}@example.com`, password = PASSWORD) =>
    app.post('/auth/register', { email, password }, from(ip));
  const newAccount = async (): Promise<Account & { id: string }> => {
    const { status, body } = await register();
    expect(status).toBe(201);
    return { email: body.email, password: PASSWORD, id: body.id };
  };
  const logIn = (email: string, password: string, ip: string) => app.post('/auth/login', { email, password }, from(ip));
  const fail = async (email: string, ip: string, times: number) => {
    for (let time = 0; time < times; time++) expect((await logIn(email, 'not the password', ip)).status).toBe(401);
  };
  /** Of a new account and from a new address, unless another account is given. */
  const open = async (times: number, options: Parameters<typeof openChain>[2] = {}) =>
    openChain(app, times, { account: options.account ?? (await newAccount()), headers: from(newIp()), ...options });
  const refresh = (refreshToken: string, ip: string) => app.post('/auth/refresh', { refreshToken }, from(ip));

  /** Three sessions of a new user, refreshed in turn from one address. */
  const refreshedFromOne = async (times: number) => {
    const account = await newAccount();
    const ip = newIp();
    const chains: Chain[] = [];
    for (let one = 0; one < 3; one++) chains.push(await open(0, { account }));
    const tokens = chains.map(({ current }) => current);
    for (let time = 0; time < times; time++) {
      const { status, body } = await refresh(tokens[time % 3]!, ip);
      expect(status).toBe(200);
      tokens[time % 3] = body.refreshToken;
    }
    return { ip, chains, tokens: tokens as [string, string, string] };
  };
  const logOut = (refreshToken: string, ip: string, bearer?: string) =>
    app.request('POST', '/auth/logout', {
      body: { refreshToken },
      headers: from(ip),
      ...(bearer !== undefined && { bearer }),
    });

  describe('to lists of sessions:', () => {
    const bearerOf = async ({ email, password }: Account): Promise<string> =>
      (await logIn(email, password, newIp())).body.accessToken;

    // Seen red with the session for the key.
    it('a user has so many of all sessions together, and pages; nobody else waits, and every end goes through', async () => {
      const account = await newAccount();
      const [one, other] = [await bearerOf(account), await bearerOf(account)];
      const list = (bearer: string, query = '') => app.get(`/auth/sessions${query}`, bearer);
      for (let time = 0; time < 4; time++) expect((await list(one, '?limit=0')).status).toBe(400);
      const first = await list(one, '?limit=1');
      expect(first.status).toBe(200);
      expect((await list(other, `?cursor=${first.body.nextCursor}`)).status).toBe(200);
      expect((await list(other)).status).toBe(200);
      expectThrottled(await list(one), 3600);
      expectThrottled(await list(other, `?cursor=${first.body.nextCursor}`), 3600);

      expect((await list(await bearerOf(await newAccount()))).status).toBe(200);
      const asked = (method: string, path: string) => app.request(method, path, { bearer: one });
      expect((await asked('DELETE', '/auth/sessions?except=current')).body).toEqual({ revokedSessions: 1 });
      expect((await asked('DELETE', `/auth/sessions/${first.body.items[0].id}`)).status).toBe(204);
      expect((await asked('POST', '/auth/logout-all')).status).toBe(200);
    });

    // Seen red with the listed user for the key.
    it('an administrator who asks too often waits, and not the users whose sessions are listed', async () => {
      const admin = await bearerOf(ADMIN);
      const [account, another] = [await newAccount(), await newAccount()];
      const list = ({ id }: { id: string }) => app.get(`/admin/users/${id}/sessions`, admin);
      for (const user of [account, another, account]) expect((await list(user)).status).toBe(200);
      expectThrottled(await list(another), 3600);
      expect((await app.request('DELETE', `/admin/users/${account.id}/sessions`, { bearer: admin })).status).toBe(200);
      expect((await app.get('/auth/sessions', await bearerOf(another))).status).toBe(200);
    });
  });

  describe('to logins at one account:', () => {
    // Seen red with the account alone for the key.
    it('whoever tries too often waits, also with the right password, and locks out nobody but himself', async () => {
      const { email, password, id } = await newAccount();
      const [attacker, victim] = [newIp(), newIp()];
      await fail(email, attacker, 3);
      expectThrottled(await logIn(email, password, attacker), 900);
      expectThrottled(await logIn(` ${email.toUpperCase()}`, password, attacker), 900);
      expect(await app.query('SELECT FROM sessions WHERE user_id = $1', [id])).toEqual([]);

      expect((await logIn(email, password, victim)).status).toBe(200);
      expect((await logIn((await newAccount()).email, password, attacker)).status).toBe(200);
      expectThrottled(await logIn(email, password, attacker), 900);
    });

    it('a success forgets the failures before it', async () => {
      const { email, password } = await newAccount();
      const ip = newIp();
      for (const _time of [1, 2]) {
        await fail(email, ip, 2);
        expect((await logIn(email, password, ip)).status).toBe(200);
      }
    });

    // Seen red: with a line below, h is one character and H is two.
    it('an account has one, in whichever spelling its name is written', async () => {
      const name = randomUUID();
      const { status, body } = await register(newIp(), `H\u0331${name}@example.com`);
      expect(status).toBe(201);
      const ip = newIp();
      await fail(`H\u0331${name}@example.com`, ip, 1);
      await fail(`\u1e96${name}@example.com`, ip, 1);
      await fail(`h\u0331${name}@example.com`, ip, 1);
      expectThrottled(await logIn(body.email, PASSWORD, ip), 900);
    });

    it('an unknown account has one like any other, so that it tells nothing', async () => {
      const [email, ip] = [`${randomUUID()}@example.com`, newIp()];
      await fail(email, ip, 3);
      expectThrottled(await logIn(email, PASSWORD, ip), 900);
    });

    it('a customer of a whole IPv6 network has one for all of it', async () => {
      const { email, password } = await newAccount();
      for (let time = 0; time < 3; time++) await fail(email, newIpOf('a'), 1);
      expectThrottled(await logIn(email, password, newIpOf('a')), 900);
      expect((await logIn(email, password, newIpOf('b'))).status).toBe(200);
    });

    it('the current password is no better to guess, with a stolen access token', async () => {
      const { email, password } = await newAccount();
      const { accessToken } = (await logIn(email, password, newIp())).body;
      const change = (currentPassword: string, ip: string) =>
        app.request('POST', '/auth/password', {
          bearer: accessToken,
          headers: from(ip),
          body: { currentPassword, newPassword: 'another long passphrase' },
        });
      const [thief, owner] = [newIp(), newIp()];
      for (let time = 0; time < 3; time++) expect((await change('not the password', thief)).status).toBe(401);
      expectThrottled(await change(password, thief), 900);
      expect((await change(password, owner)).status).toBe(200);
    });
  });

  it('to logins from one address, whatever the account', async () => {
    const { email, password } = await newAccount();
    const ip = newIp();
    for (let time = 0; time < 8; time++) await fail(`${randomUUID()}@example.com`, ip, 1);
    expectThrottled(await logIn(email, password, ip), 900);
    expect((await logIn(email, password, newIp())).status).toBe(200);
  });

  // Seen red: no address, no limit.
  it('also for whoever comes through a proxy that names ports, or writes what is no address', async () => {
    const ip = newIp();
    for (const withPort of [(port: number) => `${ip}:${port}`, () => 'unknown']) {
      for (let port = 1; port < 5; port++) {
        expect(await refresh('junk', withPort(port))).toMatchObject({ status: 401, body: { code: 'token_invalid' } });
      }
      expectThrottled(await refresh('junk', withPort(5)), 3600);
    }
  });

  describe('to refreshes of one session:', () => {
    it('beyond it nothing is rotated, and the same token works later', async () => {
      const { sessionId, current, account } = await open(5);
      const before = await rowOf(app, sessionId);
      expectThrottled(await refresh(current, newIp()), 3600);
      expectThrottled(await refresh(current, newIp()), 3600);
      expect(await rowOf(app, sessionId)).toEqual(before);
      const other = await open(1, { account });
      expect(await rowOf(app, other.sessionId)).toMatchObject({ generation: 1 });
    });

    // Seen red with every token counted: who waits that long without a key comes back as a reuse.
    it('a client that has lost its answer gets it again within the window, however often it has refreshed', async () => {
      const { tokens, current } = await open(5);
      expect((await refresh(current, newIp())).status).toBe(429);
      expect(await refresh(tokens[4]!, newIp())).toMatchObject({ status: 200, body: { refreshToken: current } });
    });

    it('a client with a key can repeat at any time, and waits; one with another key is told to read its store, and soon', async () => {
      const retryKey = newRetryKey();
      const { tokens } = await open(5, { retryKey });
      expectThrottled(await app.refresh(tokens[4]!, retryKey), 3600);
      const { status, body, headers } = await app.refresh(tokens[4]!, newRetryKey());
      expect([status, body.code, headers.get('Retry-After')]).toEqual([429, 'replay_refused', '1']);
    });

    // Seen red with the limit before the decision.
    it.each([
      ['an older generation', 3, 0],
      ['the predecessor after its window', 4, 11],
    ])('no flood hides a reuse: %s', async (_name, generation, later) => {
      const { sessionId, tokens, current } = await open(5);
      expect((await refresh(current, newIp())).status).toBe(429);
      if (later > 0) await age(app, sessionId, later);
      const answer = await refresh(tokens[generation]!, newIp());
      expect(answer).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
      expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
      expect((await app.events({ sessionId })).map(({ type }) => type)).toContain('auth.token.reuse_detected.v1');
    });
  });

  // Seen red with the limit at the first decision alone: 401, and a record, for each.
  it('of many reuses at once one ends the session, and the others count as refusals', async () => {
    const { sessionId, tokens } = await open(3);
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(tokens[0], newIp())));
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses).toEqual([...Array(3).fill(401), ...Array(17).fill(429)]);
    const endings = (await app.events({ sessionId })).filter(({ reason }) => reason === 'token_revoked');
    expect(endings).toHaveLength(3);
  });

  describe('to refreshes of one user and address, all sessions together:', () => {
    it('beyond it nothing is rotated, from there; the same token works from elsewhere', async () => {
      const { ip, chains, tokens } = await refreshedFromOne(12);
      const before = await rowOf(app, chains[0]!.sessionId);
      expectThrottled(await refresh(tokens[0], ip), 3600);
      expect(await rowOf(app, chains[0]!.sessionId)).toEqual(before);
      expect((await refresh((await open(0)).current, ip)).status).toBe(200);
      expectThrottled(await refresh(tokens[1], ip), 3600);
      expect((await refresh(tokens[2], newIp())).status).toBe(200);
    });

    // Seen red with every refresh counted, and with the user counted before the session.
    it('it hides no reuse, counts no replay through the window, and no flood of one session uses it up', async () => {
      const { ip, chains, tokens } = await refreshedFromOne(11);
      const predecessor = tokens[0];
      expect((await refresh(predecessor, ip)).status).toBe(200);
      expect((await refresh(predecessor, ip)).status).toBe(200); // a replay
      expect((await refresh(chains[1]!.current, ip)).body).toMatchObject({ code: 'token_revoked' });
      expect(await rowOf(app, chains[1]!.sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });

      const account = await newAccount();
      const [flooded, other] = [await open(5, { account }), await open(0, { account })];
      const home = newIp();
      for (let time = 0; time < 20; time++) expect((await refresh(flooded.current, home)).status).toBe(429);
      expect((await refresh(other.current, home)).status).toBe(200);
    });
  });

  describe('to log-outs that end nothing:', () => {
    const endings = async (sessionId: string) =>
      (await app.events({ sessionId })).filter(({ type }) => type === 'auth.logout.succeeded.v1').length;

    // Seen red without the limit: 1,347 answers and 2,694 rows in 8 seconds.
    it('a dead token leaves as many records as its session has log-outs, wherever it comes from', async () => {
      const { sessionId, current, account } = await open(0);
      for (let time = 0; time < 4; time++) expect((await logOut(current, newIp())).status).toBe(204);
      expectThrottled(await logOut(current, newIp()), 3600);
      const other = await open(0, { account });
      const everywhere = await Promise.all(Array.from({ length: 30 }, () => logOut(current, newIp())));
      expect(new Set(everywhere.map(({ status }) => status))).toEqual(new Set([429]));
      expect(await endings(sessionId)).toBe(4);
      expect((await logOut(other.current, newIp())).status).toBe(204);
    });

    it('an address has one for all tokens of others and of sessions that have ended, and still ends sessions', async () => {
      const [dead, live] = [await open(0), await open(0)];
      await logOut(dead.current, newIp());
      const ip = newIp();
      for (let time = 0; time < 2; time++) expect((await logOut(dead.current, ip)).status).toBe(204);
      for (const junk of ['', 'junk', sealElsewhere(app, dead.current, 0), `${dead.current}x`])
        expect((await logOut(junk, ip)).status).toBe(204);
      expectThrottled(await logOut('junk', ip), 3600);
      expectThrottled(await logOut(dead.current, ip), 3600);
      expect((await logOut(live.current, ip)).status).toBe(204);
      expect(await rowOf(app, live.sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
    });

    // Seen red with the first refusal as the answer.
    it('beside a token that is beyond it, a live one ends its session', async () => {
      const { email, password } = await newAccount();
      const ip = newIp();
      const { accessToken, sessionId } = (await logIn(email, password, ip)).body;
      for (let time = 0; time < 7; time++) await logOut('junk', ip);
      expect((await logOut('junk', ip, accessToken)).status).toBe(204);
      expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
    });

    it('both tokens of one session are one log-out', async () => {
      const { email, password } = await newAccount();
      const { accessToken, refreshToken, sessionId } = (await logIn(email, password, newIp())).body;
      expect((await logOut(refreshToken, newIp(), accessToken)).status).toBe(204);
      expect(await endings(sessionId)).toBe(1);
    });

    it('everywhere, of a user who has no session: nothing is recorded, and the floor stays', async () => {
      const { account } = await open(0);
      const everywhere = () => app.app.get(CommandBus).execute(new LogOutEverywhereCommand(account.id));
      expect(await everywhere()).toBe(1);
      for (let time = 0; time < 3; time++) expect(await everywhere()).toBe(0);
      const before = [await userFloorOf(app, account.id), (await app.events({ userId: account.id })).length];
      await expect(everywhere()).rejects.toBeInstanceOf(Throttled);
      const throttled = async () => (await app.events({ userId: account.id })).length - before[1]!;
      await until(async () => (await throttled()) === 2);
      expect(await userFloorOf(app, account.id)).toBe(before[0]);
    });

    it("by an administrator's end of all, or a deactivation, that has nothing left to end; the first is never refused", async () => {
      const { accessToken } = (await app.logIn(ADMIN)).body;
      const [ended, deactivated] = [await open(0), await open(0)];
      const path = (id: string) => `/admin/users/${id}`;
      for (const end of [
        () => app.request('DELETE', `${path(ended.account.id)}/sessions`, { bearer: accessToken }),
        () => app.request('PATCH', path(deactivated.account.id), { bearer: accessToken, body: { isActive: false } }),
      ]) {
        for (let time = 0; time < 4; time++) expect((await end()).status).toBe(200);
        expectThrottled(await end(), 3600);
      }
      for (const { sessionId, account } of [ended, deactivated]) {
        expect((await rowOf(app, sessionId)).revoked_at).not.toBeNull();
        const all = (await app.events({ userId: account.id })).map(({ type }) => type);
        expect(all.filter((type) => type === 'auth.sessions.all_revoked.v1')).toHaveLength(4);
      }
      // The command line and the system have no token that could be stolen.
      const asSystem = () => app.app.get(CommandBus).execute(new RevokeUserSessionsCommand(ended.account.id));
      for (let time = 0; time < 5; time++) expect(await asSystem()).toBe(0);
    });
  });

  // Seen red with the session's limit, which a thief of the token would use up for its owner.
  it('to tokens of bound sessions without their proof, by address and not by session', async () => {
    const { sessionId, current } = await open(0);
    const binding = JSON.stringify({ kind: 'dpop', jkt: 'a thumbprint' });
    await app.query('UPDATE sessions SET binding = $2 WHERE id = $1', [sessionId, binding]);
    for (const ip of [newIp(), newIp(), newIp()]) {
      for (let time = 0; time < 4; time++)
        expect(await refresh(current, ip)).toMatchObject({ status: 401, body: { code: 'proof_required' } });
      expectThrottled(await refresh(current, ip), 3600);
    }
    await app.query('UPDATE sessions SET binding = NULL WHERE id = $1', [sessionId]);
    expect((await refresh(current, newIp())).status).toBe(200);
  });

  it('to tokens of one address that this system has not sealed; genuine ones pass', async () => {
    const { current } = await open(0);
    const ip = newIp();
    for (const junk of ['', 'junk', sealElsewhere(app, current, 0), `${current}x`]) {
      expect(await refresh(junk, ip)).toMatchObject({ status: 401, body: { code: 'token_invalid' } });
    }
    expectThrottled(await refresh('junk', ip), 3600);
    expect((await refresh(current, ip)).status).toBe(200);
    expect((await refresh('junk', newIp())).status).toBe(401);
  });

  it('to registrations of one address; what breaks a rule opens nothing, and counts for nothing', async () => {
    const ip = newIp();
    for (let time = 0; time < 5; time++) expect((await register(ip, 'no e-mail')).status).toBe(400);
    const first = await register(ip);
    expect(first.status).toBe(201);
    expect((await register(ip, first.body.email)).status).toBe(409);
    const email = `${randomUUID()}@example.com`;
    expectThrottled(await register(ip, email), 3600);
    expect(await app.query('SELECT FROM users WHERE email = $1', [email])).toEqual([]);
    expect((await register(newIp(), email)).status).toBe(201);
  });

  describe('and what is beyond it is recorded', () => {
    const recorded = async (ip: string): Promise<Json[]> =>
      app.query('SELECT * FROM auth_events WHERE ip_address = $1 ORDER BY occurred_at, id', [ip]);

    it('as an attempt that was throttled', async () => {
      const { email, password } = await newAccount();
      const { sessionId, current, account } = await open(5);
      const ip = newIp();
      await refresh(current, ip);
      await fail(email, ip, 3);
      await logIn(email, password, ip);
      await until(async () => (await recorded(ip)).length === 10);
      const [attempted, failed, ...logins] = await recorded(ip);
      expect([attempted, failed]).toMatchObject([
        { type: 'auth.token_refresh.attempted.v1', session_id: sessionId },
        { type: 'auth.token_refresh.failed.v1', session_id: sessionId, user_id: account.id, reason: 'throttled' },
      ]);
      expect(logins.slice(-2)).toMatchObject([
        { type: 'auth.login.attempted.v1', user_id: null },
        { type: 'auth.login.failed.v1', user_id: null, reason: 'throttled' },
      ]);
    });

    it('one by one up to ten a minute, and no flood fills the log', async () => {
      const ip = newIp();
      const email = `${randomUUID()}@example.com`;
      await fail(email, ip, 3);
      for (let time = 0; time < 60; time++) expect((await logIn(email, PASSWORD, ip)).status).toBe(429);
      const throttled = async () => (await recorded(ip)).filter(({ reason }) => reason === 'throttled').length;
      await until(async () => (await throttled()) >= 10);
      // Twice ten where a minute ended in between.
      expect(await throttled()).toBeLessThanOrEqual(20);
    });

    it('and counted', async () => {
      const hits = async () =>
        [...(await app.get('/metrics')).body.matchAll(/^ratchet_limiter_hits_total{limit="(\w+)"} (\d+)$/gm)].map(
          ([, limit, count]) => [limit, Number(count)] as const,
        );
      const before = new Map(await hits());
      const { current, account } = await open(5);
      const [guesser, sprayer, junkman, registrar, leaver] = [newIp(), newIp(), newIp(), newIp(), newIp()];
      await refresh(current, newIp());
      await fail(account.email, guesser, 3);
      await logIn(account.email, PASSWORD, guesser);
      for (let time = 0; time < 9; time++) await logIn(`${randomUUID()}@example.com`, PASSWORD, sprayer);
      for (let time = 0; time < 5; time++) await refresh('junk', junkman);
      for (let time = 0; time < 3; time++) await register(registrar);
      for (let time = 0; time < 7; time++) await logOut('junk', leaver);
      for (let time = 0; time < 5; time++) await logOut(current, newIp());
      const { ip, tokens } = await refreshedFromOne(12);
      await refresh(tokens[0], ip);
      const { accessToken } = (await logIn(account.email, PASSWORD, newIp())).body;
      for (let time = 0; time < 4; time++) await app.get('/auth/sessions', accessToken);
      expect((await hits()).map(([limit, count]) => [limit, count - (before.get(limit) ?? 0)]).toSorted()).toEqual([
        ['invalidPerIp', 1],
        ['listPerUser', 1],
        ['loginPerAccount', 1],
        ['loginPerIp', 1],
        ['logoutPerIp', 1],
        ['logoutPerSession', 1],
        ['refreshPerSession', 1],
        ['refreshPerUser', 1],
        ['registerPerIp', 1],
      ]);
    });
  });
});
