import { randomUUID } from 'node:crypto';
import {
  type Account,
  type Answer,
  type Json,
  startTestApplication,
  type TestApplication,
} from '../support/app/test-application';
import { until } from '../support/until';
import { age, newRetryKey, openChain, rowOf, sealElsewhere, TRUSTING } from './support/sessions';

const LIMITS = {
  LIMIT_LOGIN_PER_ACCOUNT: '3/15m',
  LIMIT_LOGIN_PER_IP: '8/15m',
  LIMIT_REFRESH_PER_SESSION: '5/1h',
  LIMIT_INVALID_PER_IP: '4/1h',
  LIMIT_REGISTER_PER_IP: '2/1h',
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
      const [guesser, sprayer, junkman, registrar] = [newIp(), newIp(), newIp(), newIp()];
      await refresh(current, newIp());
      await fail(account.email, guesser, 3);
      await logIn(account.email, PASSWORD, guesser);
      for (let time = 0; time < 9; time++) await logIn(`${randomUUID()}@example.com`, PASSWORD, sprayer);
      for (let time = 0; time < 5; time++) await refresh('junk', junkman);
      for (let time = 0; time < 3; time++) await register(registrar);
      expect((await hits()).map(([limit, count]) => [limit, count - (before.get(limit) ?? 0)]).toSorted()).toEqual([
        ['invalidPerIp', 1],
        ['loginPerAccount', 1],
        ['loginPerIp', 1],
        ['refreshPerSession', 1],
        ['registerPerIp', 1],
      ]);
    });
  });
});
