import { decodeJwt } from 'jose';
import { PasswordHasher, SessionRepository } from '../../src';
import { type Answer, type Json, startTestApplication, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { gate } from '../support/gate';
import { answerInBytes } from './support/answer-in-bytes';
import { intercept } from './support/intercept';
import { REFUSALS } from './support/refusals';
import { age, type Chain, newRetryKey, openChain, rowOf, TRUSTING } from './support/sessions';

const HOUR = 60 * 60;
const WRONG = 'not the passphrase';

let database: TestDatabase;
let app: TestApplication;
let strict: TestApplication;
beforeAll(async () => {
  database = await testDatabase();
  app = await startTestApplication({ database, env: { ...TRUSTING, REFRESH_REPLAY_WINDOW: '60s' } });
  strict = await startTestApplication({ database, env: { ...TRUSTING, REFRESH_REPLAY_WINDOW: '0' } });
});
afterAll(async () => {
  await Promise.all([app.close(), strict.close()]);
  await database.close();
});

const reauthenticate = (
  refreshToken: string,
  password: string,
  retryKey?: string,
  on = app,
  headers: Record<string, string> = {},
): Promise<Answer> =>
  on.post(
    '/auth/reauthenticate',
    { refreshToken, password },
    { ...headers, ...(retryKey !== undefined && { 'Idempotency-Key': retryKey }) },
  );

/** A session whose user proved who they are an hour ago, by two factors. */
async function provedLongAgo(times = 0, options: Parameters<typeof openChain>[2] = {}): Promise<Chain> {
  const chain = await openChain(app, times, options);
  await app.query(
    `UPDATE sessions SET auth_time = now() - interval '1 hour', amr = '{pwd,otp}', acr = 'aal2' WHERE id = $1`,
    [chain.sessionId],
  );
  return chain;
}

/** How many seconds ago, by the access token of an answer, its user proved who they are. */
const ageOfProof = ({ body }: Answer): number => {
  const { auth_time, iat } = decodeJwt(body.accessToken);
  return iat! - (auth_time as number);
};
const expectNewProof = (answer: Answer) => {
  expect(answer.status).toBe(200);
  expect(ageOfProof(answer)).toBeLessThan(60);
  const { amr, acr } = decodeJwt(answer.body.accessToken);
  // The password alone: the level of the two factors does not go on with a new time.
  expect({ amr, acr }).toEqual({ amr: ['pwd'], acr: undefined });
};

const proofIn = async (sessionId: string) => {
  const { auth_time, amr, acr } = await rowOf(app, sessionId);
  return { age: Math.round((Date.now() - auth_time.getTime()) / 1000), amr, acr };
};
const AN_HOUR_AGO = { age: expect.any(Number), amr: ['pwd', 'otp'], acr: 'aal2' };

/** The endings of the session, and for each attempt that it begins and ends once. */
async function endingsOf(sessionId: string): Promise<Json[]> {
  const trail = (await app.events({ sessionId })).filter(({ type }) => /token_refresh|reauthentication/.test(type));
  for (const attemptId of new Set(trail.map(({ attempt_id }) => attempt_id))) {
    const events = trail.filter(({ attempt_id }) => attempt_id === attemptId);
    expect(events.map(({ outcome }) => outcome)).toEqual(['attempted', expect.stringMatching(/succeeded|failed/)]);
    expect(new Set(events.map(({ type }) => type.split('.')[1])).size).toBe(1);
  }
  return trail.filter(({ outcome }) => outcome !== 'attempted');
}
const byType = (events: readonly Json[]) => events.map(({ type }) => type).sort();

describe('Reauthentication', () => {
  // Seen red with a proof that is not written, and with a level that stays.
  it('is a refresh that proves the password again: a new token, and the time of the proof is now (ASVS 7.2.4)', async () => {
    const { sessionId, account, current } = await provedLongAgo();
    const before = await rowOf(app, sessionId);
    const refreshed = await app.refresh(current);
    expect(ageOfProof(refreshed)).toBeGreaterThanOrEqual(HOUR);

    const answer = await reauthenticate(refreshed.body.refreshToken, account.password);

    expectNewProof(answer);
    expect(answer.body).toEqual({
      accessToken: expect.any(String),
      refreshToken: expect.stringMatching(/^rt1_[\w-]{92}$/),
      tokenType: 'Bearer',
      expiresIn: 900,
      refreshExpiresIn: expect.any(Number),
      sessionId,
      generation: 2,
    });
    expect(answer.headers.get('Cache-Control')).toBe('no-store');
    expect(answer.headers.get('Pragma')).toBe('no-cache');
    const after = await rowOf(app, sessionId);
    expect(after).toMatchObject({
      generation: 2,
      amr: ['pwd'],
      acr: null,
      created_at: before.created_at,
      absolute_expires_at: before.absolute_expires_at,
      claims: before.claims,
      device_id: before.device_id,
    });
    expect(after.auth_time > before.auth_time).toBe(true);
    // The token before it is superseded, and the proof stays.
    expect((await app.refresh(current)).status).toBe(401);
    const other = await provedLongAgo();
    const stepped = await reauthenticate(other.current, other.account.password);
    expectNewProof(await app.refresh(stepped.body.refreshToken));
  });

  it('is recorded as a refresh and as a proof with its method, each with one ending', async () => {
    const { sessionId, account, current } = await provedLongAgo();
    await reauthenticate(current, account.password);
    const endings = await endingsOf(sessionId);
    expect(byType(endings)).toEqual(['auth.reauthentication.succeeded.v1', 'auth.token_refresh.succeeded.v1']);
    expect(endings.find(({ type }) => type === 'auth.reauthentication.succeeded.v1')).toMatchObject({
      user_id: account.id,
      session_id: sessionId,
      generation: '1',
      ip_address: '127.0.0.1',
      details: { method: 'password', amr: ['pwd'] },
    });
    expect(JSON.stringify(await app.events({ sessionId }))).not.toContain(account.password);
  });

  // Seen red without the check, and with a check after the write.
  it('with a wrong password changes nothing: 401, recorded, and the token and its key are as before', async () => {
    const { sessionId, account, current } = await provedLongAgo();
    const { accessToken } = (await app.logIn(account)).body;
    const before = await rowOf(app, sessionId);
    const key = newRetryKey();

    const answer = await reauthenticate(current, WRONG, key, app, { Authorization: `Bearer ${accessToken}` });

    expect(answer.status).toBe(401);
    expect(answer.body).toEqual({
      type: 'about:blank',
      title: 'Unauthorized',
      status: 401,
      code: 'invalid_credentials',
      recovery: 'reauthenticate',
    });
    // Nothing is wrong with the bearer token beside it.
    expect(answer.headers.get('WWW-Authenticate')).toBe('Bearer');
    expect(answer.headers.has('Set-Cookie')).toBe(false);
    expect(await rowOf(app, sessionId)).toEqual(before);
    expect(await endingsOf(sessionId)).toMatchObject([
      { type: 'auth.reauthentication.failed.v1', reason: 'wrong_password', user_id: account.id, generation: '0' },
    ]);
    expectNewProof(await reauthenticate(current, account.password, key));
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 1, revoked_at: null });
  });

  // Seen red with the password asked first.
  it('asks a dead token for no password: every refusal is that of a refresh, to the byte, and recorded as one', async () => {
    const hidden = await startTestApplication({ database, env: { ...TRUSTING, EXPOSE_REFUSAL_REASON: 'false' } });
    let asked = 0;
    const release = intercept(hidden, PasswordHasher, 'verify', (proceed) => {
      asked++;
      return proceed();
    });
    try {
      const answers = new Set<string>();
      // The last of them is for everyone.
      for (const { arrange } of REFUSALS.slice(0, -1)) {
        const chain = await openChain(hidden, 2);
        const loggedIn = asked;
        const refreshToken = await arrange(hidden, chain);
        // As it is refused first, and as it is refused ever after.
        for (const password of [WRONG, chain.account.password])
          answers.add(await answerInBytes(hidden, '/auth/reauthenticate', { refreshToken, password }));
        answers.add(await answerInBytes(hidden, '/auth/refresh', { refreshToken }));
        expect(asked).toBe(loggedIn);
        const types = (await hidden.events({ sessionId: chain.sessionId })).map(({ type }) => type);
        expect(types.filter((type) => type.includes('reauthentication'))).toEqual([]);
      }
      expect(answers.size).toBe(1);
    } finally {
      release();
      await hidden.close();
    }
  });

  it('is refused when the session ends while the password is checked', async () => {
    const { sessionId, account, current } = await provedLongAgo();
    const [checking, ended] = [gate(), gate()];
    const release = intercept(app, PasswordHasher, 'verify', async (proceed) => {
      checking.open();
      await ended.opened;
      return proceed();
    });
    try {
      const reauthenticating = reauthenticate(current, account.password);
      await checking.opened;
      expect((await app.post('/auth/logout', { refreshToken: current })).status).toBe(204);
      ended.open();
      expect(await reauthenticating).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
    } finally {
      release();
    }
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 0, revoked_reason: 'user_logout' });
    expect(await proofIn(sessionId)).toMatchObject(AN_HOUR_AGO);
    expect(await endingsOf(sessionId)).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ type: 'auth.reauthentication.failed.v1', reason: 'refresh_refused' }),
        expect.objectContaining({ type: 'auth.token_refresh.failed.v1', reason: 'token_revoked' }),
      ]),
    );
  });

  // Seen red with records of their own, outside of the transaction.
  it('and its record are one change: if the record of the proof cannot be stored, nothing is refreshed', async () => {
    const { sessionId, account, current } = await provedLongAgo();
    const before = await rowOf(app, sessionId);
    await app.query(`
      CREATE FUNCTION refuse_proofs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'full'; END $$;
      CREATE TRIGGER refuse_proofs BEFORE INSERT ON auth_events
        FOR EACH ROW WHEN (NEW.type = 'auth.reauthentication.succeeded.v1') EXECUTE FUNCTION refuse_proofs()`);
    const answer = await reauthenticate(current, account.password).finally(() =>
      app.query('DROP TRIGGER refuse_proofs ON auth_events; DROP FUNCTION refuse_proofs'),
    );
    expect(answer).toMatchObject({ status: 503, body: { recovery: 'retry' } });
    expect(await rowOf(app, sessionId)).toEqual(before);
    expect(await endingsOf(sessionId)).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ type: 'auth.reauthentication.failed.v1', reason: 'fault' }),
        expect.objectContaining({ type: 'auth.token_refresh.failed.v1', reason: 'fault' }),
      ]),
    );
    expectNewProof(await reauthenticate(current, account.password));
  });

  it('with a body that breaks a rule is 400, and changes nothing', async () => {
    const { sessionId, account, current } = await openChain(app);
    for (const [body, path] of [
      [{ refreshToken: current }, 'password'],
      [{ refreshToken: current, password: account.password, acr: 'aal2' }, 'acr'],
      [{ password: account.password }, 'refreshToken'],
    ] as const) {
      const answer = await app.post('/auth/reauthenticate', body);
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
      expect(answer.body.errors[0].path).toBe(path);
    }
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 0 });
  });

  it('with a bad retry key is 400 and names the header', async () => {
    const { account, current } = await openChain(app);
    const answer = await reauthenticate(current, account.password, 'short');
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: 'Idempotency-Key' }] } });
  });
});

describe('A reauthentication that repeats a refresh', () => {
  const identical = ({ body }: Answer) => ({ refreshToken: body.refreshToken, generation: body.generation });

  // Seen red with a replay that writes no proof: the access token says it, and the next one forgets it.
  it('within the window gets the identical successor, and the session has the new proof', async () => {
    const { sessionId, account, current } = await provedLongAgo();
    const first = await app.refresh(current); // its answer is lost, and the user is asked for the password
    const again = await reauthenticate(current, account.password);
    expect(identical(again)).toEqual(identical(first));
    expectNewProof(again);
    expect(await proofIn(sessionId)).toMatchObject({ amr: ['pwd'], acr: null });
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 1, replay_count: 1 });
    expectNewProof(await app.refresh(again.body.refreshToken));
    const [replay] = (await endingsOf(sessionId)).filter(({ details }) => details.replayed);
    expect(replay.details).toEqual({ replayed: true, door: 'window' });
  });

  it('within the window with a wrong password gets nothing, and is not counted', async () => {
    const { sessionId, current } = await provedLongAgo();
    await app.refresh(current);
    const before = await rowOf(app, sessionId);
    expect((await reauthenticate(current, WRONG)).status).toBe(401);
    expect(await rowOf(app, sessionId)).toEqual(before);
  });

  // In strict mode the key alone lets a client repeat what was answered and lost, however late.
  it.each([0, HOUR])('by its key, %i s after its answer was lost, gets the identical successor', async (seconds) => {
    const { sessionId, account, current } = await provedLongAgo();
    const key = newRetryKey();
    const lost = await reauthenticate(current, account.password, key, strict);
    expectNewProof(lost);
    await age(app, sessionId, seconds);
    const again = await reauthenticate(current, account.password, key, strict);
    expect(identical(again)).toEqual(identical(lost));
    expectNewProof(again);
    expect(again.body.accessToken).not.toBe(lost.body.accessToken);
    // Any client that follows the rule repeats it as a refresh: the proof is the session's.
    const refreshed = await strict.post('/auth/refresh', { refreshToken: current }, { 'Idempotency-Key': key });
    expect(identical(refreshed)).toEqual(identical(lost));
    expectNewProof(refreshed);
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 1, keyed: true });
  });

  it('after its successor was used is a reuse, whatever the password, and ends the session', async () => {
    const { sessionId, account, current } = await provedLongAgo();
    const key = newRetryKey();
    const { body } = await reauthenticate(current, account.password, key, strict);
    const used = { 'Idempotency-Key': newRetryKey() };
    expect((await strict.post('/auth/refresh', { refreshToken: body.refreshToken }, used)).status).toBe(200);
    expect((await reauthenticate(current, account.password, key, strict)).status).toBe(401);
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 2, revoked_reason: 'reuse_detected' });
  });

  it.each([
    { name: 'without a key', on: () => app, key: () => undefined },
    { name: 'with one key, in strict mode', on: () => strict, key: newRetryKey },
  ])('from ten tabs at once, $name, is one rotation and one successor', async ({ on, key }) => {
    const { sessionId, account, current } = await provedLongAgo();
    const shared = key();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => reauthenticate(current, account.password, shared, on())),
    );
    for (const answer of answers) expectNewProof(answer);
    expect(new Set(answers.map(({ body }) => body.refreshToken)).size).toBe(1);
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 1, amr: ['pwd'], revoked_at: null });
    expect(await endingsOf(sessionId)).toHaveLength(20);
  });

  // Seen red with a round that asks again: the password was checked twice.
  it('in two tabs, of which the other one refreshes first, checks the password once and keeps its proof', async () => {
    const { sessionId, account, current } = await provedLongAgo();
    const [decided, rotated] = [gate(), gate()];
    let checks = 0;
    const release = [
      intercept(app, PasswordHasher, 'verify', (proceed) => {
        checks++;
        return proceed();
      }),
      intercept(app, SessionRepository, 'rotate', async (proceed, _live, next: { proof?: object }) => {
        if (next.proof !== undefined) {
          decided.open();
          await rotated.opened;
        }
        return proceed();
      }),
    ];
    try {
      const stepping = reauthenticate(current, account.password);
      await decided.opened;
      const refreshed = await app.refresh(current);
      rotated.open();
      const stepped = await stepping;
      expect(identical(stepped)).toEqual(identical(refreshed));
      expectNewProof(stepped);
    } finally {
      for (const undo of release) undo();
    }
    expect(checks).toBe(1);
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 1, amr: ['pwd'], replay_count: 1 });
  });
});

describe('Wrong passwords of a session', () => {
  let limited: TestApplication;
  beforeAll(async () => {
    limited = await startTestApplication({
      database,
      env: { ...TRUSTING, LIMIT_LOGIN_PER_ACCOUNT: '3/15m', LIMIT_LOGIN_PER_IP: '8/15m' },
    });
  });
  afterAll(() => limited.close());

  let networks = 0;
  const newAddress = () => ({ 'X-Forwarded-For': `10.7.0.${++networks}` });
  const attempt = (token: string, password: string, from: Record<string, string>) =>
    reauthenticate(token, password, undefined, limited, from);

  // Seen red without the count, and with a count of their own.
  it('count with those of its logins from the same address, and then the right one waits as well', async () => {
    const { sessionId, account, current } = await openChain(app);
    const from = newAddress();
    expect((await attempt(current, WRONG, from)).status).toBe(401);
    expect((await limited.post('/auth/login', { email: account.email, password: WRONG }, from)).status).toBe(401);
    expect((await attempt(current, WRONG, from)).status).toBe(401);

    const throttled = await attempt(current, account.password, from);
    expect(throttled).toMatchObject({ status: 429, body: { code: 'throttled', recovery: 'wait' } });
    expect(Number(throttled.headers.get('Retry-After'))).toBeGreaterThan(600);
    const { email, password } = account;
    expect((await limited.post('/auth/login', { email, password }, from)).status).toBe(429);
    // Nobody else is locked out: not the owner at another address, and a refresh goes through.
    expect(await rowOf(app, sessionId)).toMatchObject({ generation: 0, revoked_at: null });
    const refreshed = await limited.post('/auth/refresh', { refreshToken: current }, from);
    expect(refreshed.status).toBe(200);
    expectNewProof(await attempt(refreshed.body.refreshToken, password, newAddress()));
  });

  it('are forgotten with the right one', async () => {
    const { account, current } = await openChain(app);
    const from = newAddress();
    let token = current;
    for (let time = 0; time < 2; time++) {
      for (let wrong = 0; wrong < 2; wrong++) expect((await attempt(token, WRONG, from)).status).toBe(401);
      const { status, body } = await attempt(token, account.password, from);
      expect(status).toBe(200);
      token = body.refreshToken;
    }
  });

  it('of many accounts count for their address', async () => {
    const from = newAddress();
    const chains = await Promise.all(Array.from({ length: 9 }, () => openChain(app)));
    const statuses: number[] = [];
    for (const { current } of chains) statuses.push((await attempt(current, WRONG, from)).status);
    expect(statuses).toEqual([...Array<number>(8).fill(401), 429]);
  });
});

describe('After a right password', () => {
  it('a cheap hash is replaced, as after a login', async () => {
    const costlier = await startTestApplication({ database, env: { ...TRUSTING, BCRYPT_COST: '5' } });
    try {
      const { account, current } = await openChain(app);
      expect((await reauthenticate(current, account.password, undefined, costlier)).status).toBe(200);
      const [user] = await app.query('SELECT password_hash FROM users WHERE id = $1', [account.id]);
      expect(user.password_hash).toMatch(/^\$2b\$05\$/);
    } finally {
      await costlier.close();
    }
  });
});
