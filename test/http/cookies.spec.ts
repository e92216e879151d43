import {
  type Account,
  type Answer,
  type Json,
  startTestApplication,
  type TestApplication,
} from '../support/app/test-application';
import { asAdmin, changePassword, statusOfMe } from './support/administration';
import { cookiesOf } from './support/cookies';
import { newRetryKey, openChain, rowOf } from './support/sessions';

const ORIGIN = 'https://app.example';
const PARTNER = 'https://partner.example';
const STRANGER = 'https://evil.example';
const WEEK = 7 * 24 * 60 * 60;

/** What is left of it in whole seconds: a login reads the clock again after it has opened the session. */
const expectAWeek = ({ body }: Answer) => expect([WEEK - 1, WEEK]).toContain(body.refreshExpiresIn);

const tokenIn = (answer: Answer): string => cookiesOf(answer)[0]?.value ?? '';

describe('The refresh token in a cookie', () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ env: { PUBLIC_ORIGIN: ORIGIN, CORS_ORIGINS: PARTNER } });
  });
  afterAll(() => app.close());

  const own = { Origin: ORIGIN };
  const holding = (token: string, headers: Record<string, string> = own) => ({
    ...headers,
    Cookie: `theme=dark; __Host-refresh=${token}; refresh=other`,
  });
  const refresh = (token: string, headers: Record<string, string> = own) =>
    app.request('POST', '/auth/refresh', { headers: holding(token, headers) });
  const reauthenticate = (
    token: string,
    headers: Record<string, string> = own,
    password = 'a long enough passphrase',
  ) => app.request('POST', '/auth/reauthenticate', { headers: holding(token, headers), body: { password } });
  const logIn = async (account?: Account, headers: Record<string, string> = own): Promise<Answer> => {
    const { email, password } = account ?? (await app.register());
    return app.post('/auth/login', { email, password, delivery: 'cookie' }, headers);
  };
  /** A session by cookie: its token, and what the body said. */
  const signedIn = async (account?: Account): Promise<Json> => {
    const answer = await logIn(account);
    return { ...answer.body, token: tokenIn(answer) };
  };

  const expectDelivered = (answer: Answer, generation: number) => {
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.body).toSorted()).toEqual(
      ['accessToken', 'expiresIn', 'generation', 'refreshExpiresIn', 'sessionId', 'tokenType'].toSorted(),
    );
    expect(answer.body.generation).toBe(generation);
    expectAWeek(answer);
    expect(answer.headers.get('Cache-Control')).toBe('no-store');
    expect(answer.headers.get('Pragma')).toBe('no-cache');
    expect(cookiesOf(answer)).toEqual([
      {
        name: '__Host-refresh',
        value: expect.stringMatching(/^rt1_[\w-]{92}$/),
        attributes: {
          'max-age': String(answer.body.refreshExpiresIn),
          path: '/',
          httponly: '',
          samesite: 'Strict',
          secure: '',
        },
      },
    ]);
  };
  const expectCleared = (answer: Answer) =>
    expect(cookiesOf(answer)).toEqual([
      {
        name: '__Host-refresh',
        value: '',
        attributes: { 'max-age': '0', path: '/', httponly: '', samesite: 'Strict', secure: '' },
      },
    ]);
  const expectKept = (answer: Answer) => expect(answer.headers.has('Set-Cookie')).toBe(false);

  it('comes with every answer that has a token, and never in a body', async () => {
    const login = await logIn();
    expectDelivered(login, 0);
    const first = await refresh(tokenIn(login));
    expectDelivered(first, 1);
    expect(tokenIn(first)).not.toBe(tokenIn(login));
    const replay = await refresh(tokenIn(login));
    expectDelivered(replay, 1);
    expect(tokenIn(replay)).toBe(tokenIn(first));
    expectDelivered(await refresh(tokenIn(first)), 2);
    expect(await rowOf(app, login.body.sessionId)).toMatchObject({ delivery: 'cookie', generation: 2 });
  });

  it('is replaced by a proof of the password, and kept by a wrong one', async () => {
    const { token, sessionId } = await signedIn();
    const wrong = await reauthenticate(token, own, 'not the passphrase');
    expect(wrong).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
    expectKept(wrong);
    const proved = await reauthenticate(token);
    expectDelivered(proved, 1);
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 1, delivery: 'cookie' });
    // In the body, a token is explicit, and this one is of a cookie.
    const body = { refreshToken: tokenIn(proved), password: 'a long enough passphrase' };
    const refused = await app.post('/auth/reauthenticate', body, holding(tokenIn(proved)));
    expect(refused).toMatchObject({ status: 401, body: { code: 'token_invalid' } });
    expectKept(refused);
    const dead = await app.post('/auth/reauthenticate', { ...body, refreshToken: 'junk' }, holding(tokenIn(proved)));
    expect(dead.status).toBe(401);
    expectDelivered(await refresh(tokenIn(proved)), 2);
  });

  it('is replayed for its retry key, too', async () => {
    const { token } = await signedIn();
    const headers = { ...own, 'Idempotency-Key': newRetryKey() };
    const [first, again] = [await refresh(token, headers), await refresh(token, headers)];
    expect(tokenIn(again)).toBe(tokenIn(first));
  });

  it('is read from no other name: the one without the prefix can be set by whoever is between', async () => {
    const { token, sessionId } = await signedIn();
    for (const name of ['refresh', '__host-refresh', '__Secure-refresh', 'x__Host-refresh']) {
      const answer = await app.request('POST', '/auth/refresh', { headers: { ...own, Cookie: `${name}=${token}` } });
      expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: 'refreshToken' }] } });
    }
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 0 });
  });

  describe('is used by pages of the origins that are known, and by no others:', () => {
    const use: [what: string, use: (token: string, headers: Record<string, string>) => Promise<Answer>][] = [
      ['refresh', refresh],
      ['reauthenticate', reauthenticate],
      ['logout', (token, headers) => app.request('POST', '/auth/logout', { headers: holding(token, headers) })],
    ];
    const KNOWN = [
      own,
      { Origin: PARTNER },
      { Origin: PARTNER, 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-origin' },
    ];
    const UNKNOWN = [
      {},
      { Origin: STRANGER },
      { Origin: STRANGER, 'Sec-Fetch-Site': 'cross-site' },
      { Origin: STRANGER, 'Sec-Fetch-Site': 'same-origin' },
      { Origin: 'null' },
      { Origin: `${ORIGIN}.evil.example` },
      { Origin: 'http://app.example' },
      { Origin: `${ORIGIN}:8443` },
      { 'Sec-Fetch-Site': 'same-site' },
      { 'Sec-Fetch-Site': 'none' },
      { Referer: `${ORIGIN}/page` },
    ];

    it.each(use)('%s', async (what, use) => {
      for (const headers of KNOWN) {
        const { token } = await signedIn();
        expect({ headers, status: (await use(token, headers)).status }).toEqual({
          headers,
          status: what === 'logout' ? 204 : 200,
        });
      }
    });

    // Seen red without the look at the origin.
    it.each(use)('%s is 403 otherwise, and nothing happens', async (_what, use) => {
      const { token, sessionId } = await signedIn();
      const before = await rowOf(app, sessionId);
      for (const headers of UNKNOWN) {
        const answer = await use(token, headers);
        expect({ headers, status: answer.status }).toEqual({ headers, status: 403 });
        expect(answer.body).toEqual({ type: 'about:blank', title: 'Forbidden', status: 403, code: 'origin_refused' });
        expectKept(answer);
      }
      expect(await rowOf(app, sessionId)).toEqual(before);
      expect((await refresh(token)).status).toBe(200);
    });

    it('login: no page signs a visitor in to an account of its own', async () => {
      const account = await app.register();
      for (const headers of KNOWN) expectDelivered(await logIn(account, headers), 0);
      for (const headers of UNKNOWN) {
        const answer = await logIn(account, headers);
        expect({ headers, status: answer.status }).toEqual({ headers, status: 403 });
        expectKept(answer);
      }
      const [{ count }] = await app.query('SELECT count(*)::int FROM sessions WHERE user_id = $1', [account.id]);
      expect(count).toBe(KNOWN.length);
    });

    it('which is asked of nobody who holds the token himself', async () => {
      const login = await app.logIn();
      expect(
        (await app.post('/auth/refresh', { refreshToken: login.body.refreshToken }, { Origin: STRANGER })).status,
      ).toBe(200);
    });

    it('and only they may read the answers', async () => {
      const asked = (origin: string) =>
        app.request('OPTIONS', '/auth/refresh', {
          headers: {
            Origin: origin,
            'Access-Control-Request-Method': 'POST',
            'Access-Control-Request-Headers': 'content-type,idempotency-key',
          },
        });
      const allowed = await asked(PARTNER);
      expect(allowed.headers.get('Access-Control-Allow-Origin')).toBe(PARTNER);
      expect(allowed.headers.get('Access-Control-Allow-Credentials')).toBe('true');
      expect(allowed.headers.get('Access-Control-Allow-Headers')?.toLowerCase()).toContain('idempotency-key');
      expect((await asked(STRANGER)).headers.get('Access-Control-Allow-Origin')).not.toBe(STRANGER);
      const { token } = await signedIn();
      const answer = await refresh(token, { Origin: PARTNER });
      expect(answer.headers.get('Access-Control-Allow-Origin')).toBe(PARTNER);
      expect(answer.headers.get('Access-Control-Allow-Credentials')).toBe('true');
    });
  });

  describe('is one of two deliveries, and a session has one for ever:', () => {
    // Seen red without the look at the delivery.
    it('its token in the body is invalid, and so is the token of a body in the cookie', async () => {
      const byCookie = await signedIn();
      const byBody = await openChain(app, 2);
      for (const [sessionId, presented] of [
        [byCookie.sessionId, () => app.refresh(byCookie.token)],
        [byBody.sessionId, () => refresh(byBody.current)],
        // Not even a reuse is believed of it.
        [byBody.sessionId, () => refresh(byBody.tokens[0])],
      ] as const) {
        const before = await rowOf(app, sessionId);
        const answer = await presented();
        expect(answer).toMatchObject({ status: 401, body: { code: 'token_invalid' } });
        expectKept(answer);
        expect(await rowOf(app, sessionId)).toEqual(before);
      }
      expect((await refresh(byCookie.token)).status).toBe(200);
      expect((await app.refresh(byBody.current)).status).toBe(200);
    });

    it('a new password keeps it', async () => {
      const account = await app.register();
      const { accessToken, sessionId } = await signedIn(account);
      const changed = await changePassword(app, accessToken, account, 'another long passphrase');
      expectDelivered(changed, 0);
      expect(changed.body.sessionId).not.toBe(sessionId);
      expect(await rowOf(app, changed.body.sessionId)).toMatchObject({ delivery: 'cookie' });
      expectDelivered(await refresh(tokenIn(changed)), 1);
    });
  });

  /** 6.11: each credential is judged by itself, and an invalid one hides none that is valid. */
  describe('beside other credentials', () => {
    const send = (
      path: string,
      cookie: string,
      sent: { refreshToken?: string; bearer?: string },
      headers: Record<string, string> = own,
    ) =>
      app.request('POST', path, {
        body: sent.refreshToken === undefined ? {} : { refreshToken: sent.refreshToken },
        ...(sent.bearer !== undefined && { bearer: sent.bearer }),
        headers: holding(cookie, headers),
      });
    const ended = async (sessions: readonly { sessionId: string }[]) =>
      Promise.all(
        sessions.map(async ({ sessionId }) => (await rowOf(app, sessionId)).revoked_reason === 'user_logout'),
      );

    // Seen red: 400, so that a browser with the cookie of an earlier login could neither refresh nor log out by body.
    it('a token in the body wins a refresh, and the cookie is not looked at, wherever the page is from', async () => {
      const byCookie = await signedIn();
      for (const headers of [own, {}, { Origin: STRANGER }]) {
        const byBody = await openChain(app);
        const answer = await send('/auth/refresh', byCookie.token, { refreshToken: byBody.current }, headers);
        expect(answer).toMatchObject({ status: 200, body: { sessionId: byBody.sessionId, generation: 1 } });
        expectKept(answer);
        expect(await send('/auth/refresh', byCookie.token, { refreshToken: 'junk' }, headers)).toMatchObject({
          status: 401,
        });
      }
      expect(await rowOf(app, byCookie.sessionId)).toMatchObject({ generation: 0 });
    });

    // Seen red with the first credential that is there, and with the first that is valid.
    it('a log-out ends the session of every one that is valid', async () => {
      const [byCookie, byBody, byBearer] = [await signedIn(), await openChain(app), (await app.logIn()).body];
      const answer = await send('/auth/logout', byCookie.token, {
        refreshToken: byBody.current,
        bearer: byBearer.accessToken,
      });
      expect(answer.status).toBe(204);
      expectCleared(answer);
      expect(await ended([byCookie, byBody, byBearer])).toEqual([true, true, true]);
    });

    it.each(['the cookie', 'the body', 'the bearer'])(
      'a log-out ends what is valid where only %s is',
      async (valid) => {
        const [byCookie, byBody, byBearer] = [await signedIn(), await openChain(app), (await app.logIn()).body];
        const answer = await send('/auth/logout', valid === 'the cookie' ? byCookie.token : 'junk', {
          refreshToken: valid === 'the body' ? byBody.current : 'junk',
          bearer: valid === 'the bearer' ? byBearer.accessToken : 'junk',
        });
        expect(answer.status).toBe(204);
        expect(await ended([byCookie, byBody, byBearer])).toEqual([
          valid === 'the cookie',
          valid === 'the body',
          valid === 'the bearer',
        ]);
      },
    );

    it('a log-out by a page of another origin leaves the cookie alone, and ends what else it holds', async () => {
      const [byCookie, byBody] = [await signedIn(), await openChain(app)];
      const answer = await send('/auth/logout', byCookie.token, { refreshToken: byBody.current }, { Origin: STRANGER });
      expect(answer.status).toBe(204);
      expectKept(answer);
      expect(await ended([byCookie, byBody])).toEqual([false, true]);
    });

    // Seen red: 204, and the session that the user believed to have left went on.
    it('a log-out by a page of another origin is refused where nothing beside the cookie is a credential', async () => {
      const { token, sessionId } = await signedIn();
      for (const sent of [{ bearer: 'junk' }, { refreshToken: 'junk' }, { refreshToken: 'junk', bearer: 'junk' }]) {
        for (const headers of [{}, { Origin: STRANGER }]) {
          const answer = await send('/auth/logout', token, sent, headers);
          expect({ sent, status: answer.status }).toEqual({ sent, status: 403 });
          expectKept(answer);
        }
      }
      expect(await rowOf(app, sessionId)).toMatchObject({ revoked_at: null });
    });

    it('a login by body leaves a cookie alone that is none of ours', async () => {
      const { email, password } = await app.register();
      expectKept(await app.request('POST', '/auth/login', { body: { email, password }, headers: holding('junk') }));
    });

    it('a login by body clears the cookie of an earlier one', async () => {
      const { token } = await signedIn();
      const { email, password } = await app.register();
      const answer = await app.request('POST', '/auth/login', { body: { email, password }, headers: holding(token) });
      expect(answer.status).toBe(200);
      expectCleared(answer);
    });

    // Seen red with the first of the name: whoever can set a cookie for a path or a neighbouring host signs everyone out.
    it('of several cookies of the name the first that our keys have sealed counts', async () => {
      const { token, sessionId } = await signedIn();
      const Cookie = `__Host-refresh=planted; __Host-refresh=${token}; __Host-refresh=another`;
      const answer = await app.request('POST', '/auth/refresh', { headers: { ...own, Cookie } });
      expect(answer).toMatchObject({ status: 200, body: { sessionId, generation: 1 } });
    });
  });

  describe('stays where it is at a refusal, which may be late and would wipe a newer login:', () => {
    // Seen red with a cookie cleared at every 401.
    it.each<[name: string, token: () => string | Promise<string>]>([
      ['junk', () => 'junk'],
      ['nothing', () => ''],
      [
        'the token of a session that is over',
        async () => {
          const { token } = await signedIn();
          await app.request('POST', '/auth/logout', { headers: holding(token) });
          return token;
        },
      ],
      [
        'a superseded token',
        async () => {
          const { token } = await signedIn();
          await refresh(tokenIn(await refresh(token)));
          return token;
        },
      ],
      [
        'the token of a user who is inactive',
        async () => {
          const account = await app.register();
          const { token } = await signedIn(account);
          await asAdmin(app, 'PATCH', `/admin/users/${account.id}`, { isActive: false });
          return token;
        },
      ],
    ])('%s', async (_name, tokenOf) => {
      const answer = await refresh(await tokenOf());
      expect(answer.status).toBe(401);
      expectKept(answer);
    });

    it('a request to wait, a bad request, a wrong password', async () => {
      const account = await app.register();
      const { token, accessToken } = await signedIn(account);
      await refresh(token, { ...own, 'Idempotency-Key': newRetryKey() });
      const answers = [
        await refresh(token),
        await refresh(token, { ...own, 'Idempotency-Key': 'short' }),
        await logIn({ ...account, password: 'not the password' }),
        await app.request('POST', '/auth/password', {
          bearer: accessToken,
          headers: holding(token),
          body: { currentPassword: 'not the password', newPassword: 'another long passphrase' },
        }),
      ];
      expect(answers.map(({ status }) => status)).toEqual([429, 400, 401, 401]);
      answers.forEach(expectKept);
    });
  });

  describe('is cleared by whatever ends its session because the user said so:', () => {
    it('a log-out, which ends the session', async () => {
      const { token, sessionId, accessToken } = await signedIn();
      const answer = await app.request('POST', '/auth/logout', { headers: holding(token), bearer: accessToken });
      expect(answer.status).toBe(204);
      expectCleared(answer);
      expect(await rowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_logout' });
      expect((await refresh(token)).status).toBe(401);
    });

    it('a log-out with a token that is none: it is not said which', async () => {
      const answer = await app.request('POST', '/auth/logout', { headers: holding('junk') });
      expect(answer.status).toBe(204);
      expectCleared(answer);
    });

    it('a log-out everywhere', async () => {
      const { token, accessToken } = await signedIn();
      const answer = await app.request('POST', '/auth/logout-all', { bearer: accessToken, headers: holding(token) });
      expect(answer.status).toBe(200);
      expectCleared(answer);
      expect(await statusOfMe(app, accessToken)).toBe(401);
    });

    it("the end of one's own current session, and not that of another or of all others", async () => {
      const account = await app.register();
      const [current, other] = [await signedIn(account), await signedIn(account)];
      const end = (path: string) =>
        app.request('DELETE', `/auth/sessions${path}`, {
          bearer: current.accessToken,
          headers: holding(current.token),
        });
      expectKept(await end(`/${other.sessionId}`));
      expectKept(await end('?except=current'));
      expect((await refresh(current.token)).status).toBe(200);
      const answer = await end(`/${current.sessionId}`);
      expect(answer.status).toBe(204);
      expectCleared(answer);
    });

    // Seen red with the id as it was written.
    it("the end of one's own session, also when its id is written in capitals", async () => {
      const { token, accessToken, sessionId } = await signedIn();
      const path = `/auth/sessions/${sessionId.toUpperCase()}`;
      expectCleared(await app.request('DELETE', path, { bearer: accessToken, headers: holding(token) }));
      expect(await statusOfMe(app, accessToken)).toBe(401);
    });

    it('and by nothing where there is none', async () => {
      const { body } = await app.logIn();
      expectKept(await app.post('/auth/logout', { refreshToken: body.refreshToken }));
      expectKept(await app.request('POST', '/auth/logout-all', { bearer: (await app.logIn()).body.accessToken }));
    });
  });
});

describe('The refresh token in a cookie for plain http on localhost', () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication({ env: { PUBLIC_ORIGIN: 'http://localhost:3000' } });
  });
  afterAll(() => app.close());

  const own = { Origin: 'http://localhost:3000' };

  it('has neither the prefix nor Secure, which the browser would not take there', async () => {
    const { email, password } = await app.register();
    const login = await app.post('/auth/login', { email, password, delivery: 'cookie' }, own);
    expect(login.body).not.toHaveProperty('refreshToken');
    expectAWeek(login);
    expect(cookiesOf(login)).toEqual([
      {
        name: 'refresh',
        value: expect.stringMatching(/^rt1_[\w-]{92}$/),
        attributes: { 'max-age': String(login.body.refreshExpiresIn), path: '/', httponly: '', samesite: 'Strict' },
      },
    ]);
    const refreshed = await app.request('POST', '/auth/refresh', {
      headers: { ...own, Cookie: `refresh=${tokenIn(login)}` },
    });
    expect(refreshed).toMatchObject({ status: 200, body: { generation: 1 } });
    const answer = await app.request('POST', '/auth/logout', {
      headers: { ...own, Cookie: `refresh=${tokenIn(refreshed)}` },
    });
    expect(cookiesOf(answer)).toMatchObject([{ name: 'refresh', value: '', attributes: { 'max-age': '0' } }]);
  });

  it('demands the origin all the same, and offers nothing to other origins', async () => {
    const { email, password } = await app.register();
    for (const headers of [{}, { Origin: 'http://localhost:5173' }, { Origin: ORIGIN }]) {
      const answer = await app.post('/auth/login', { email, password, delivery: 'cookie' }, headers);
      expect(answer.status).toBe(403);
      expect(answer.headers.has('Access-Control-Allow-Origin')).toBe(false);
    }
  });
});

// Seen red with a name, a path and a SameSite of its own alone.
it('The cookie has the name, the path and the SameSite that are configured', async () => {
  const app = await startTestApplication({
    env: {
      PUBLIC_ORIGIN: ORIGIN,
      CORS_ORIGINS: 'capacitor://localhost',
      COOKIE_NAME: '__Secure-login',
      COOKIE_SAME_SITE: 'none',
      COOKIE_PATH: '/auth',
    },
  });
  const { email, password } = await app.register();
  const headers = { Origin: 'capacitor://localhost' };
  const login = await app.post('/auth/login', { email, password, delivery: 'cookie' }, headers);
  expect(cookiesOf(login)).toEqual([
    {
      name: '__Secure-login',
      value: expect.stringMatching(/^rt1_/),
      attributes: {
        'max-age': String(login.body.refreshExpiresIn),
        path: '/auth',
        httponly: '',
        samesite: 'None',
        partitioned: '',
        secure: '',
      },
    },
  ]);
  const Cookie = `__Host-refresh=other; __Secure-login=${tokenIn(login)}`;
  expect((await app.request('POST', '/auth/refresh', { headers: { ...headers, Cookie } })).status).toBe(200);
  await app.close();
});
