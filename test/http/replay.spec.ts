import { decodeJwt } from 'jose';
import { startTestApplication, type Answer, type TestApplication } from '../support/app/test-application';
import { testDatabase, type TestDatabase } from '../support/database/test-database';
import { age, type Chain, expectTrail, newRetryKey, openChain, present, rowOf, TRUSTING } from './support/sessions';

const DAY = 24 * 60 * 60;
const INSIDE = 30;
const AFTER = 61;

let database: TestDatabase;
let app: TestApplication;
let strict: TestApplication;
let keyless: TestApplication;
beforeAll(async () => {
  database = await testDatabase();
  const start = (env: Record<string, string>) => startTestApplication({ database, env: { ...TRUSTING, ...env } });
  app = await start({ REFRESH_REPLAY_WINDOW: '60s', REFRESH_MAX_REPLAYS: '3' });
  strict = await start({ REFRESH_REPLAY_WINDOW: '0' });
  keyless = await start({ REFRESH_REPLAY_WINDOW: '60s', REFRESH_RETRY_KEYS: 'false' });
});
afterAll(async () => {
  await Promise.all([app, strict, keyless].map((instance) => instance.close()));
  await database.close();
});

/** The token before the current one. */
const predecessorOf = ({ tokens }: Chain): string => tokens.at(-2)!;

const expectReplay = (answer: Answer, { sessionId, tokens, current }: Chain) => {
  expect(answer).toMatchObject({
    status: 200,
    body: { refreshToken: current, sessionId, generation: tokens.length - 1 },
  });
};

const expectRefusal = ({ status, body }: Answer, code: string) =>
  expect({ status, code: body.code }).toEqual({ status: 401, code });

// Seen red: no key taken for an equal key, the window open in a keyed session, the cap taken for reuse, a replay after the
// window, a replay that moves the window, one that is answered without its update, one stamped with the floors.
describe('The immediate predecessor of', () => {
  const KEYS = { none: undefined, 'a key': newRetryKey(), 'another key': newRetryKey() };

  // The table of the protocol, cell by cell.
  it.each([
    { rotated: 'none', presented: 'none', inside: 'window', after: 'reuse' },
    { rotated: 'none', presented: 'a key', inside: 'window', after: 'reuse' },
    { rotated: 'a key', presented: 'a key', inside: 'key', after: 'key' },
    { rotated: 'a key', presented: 'none', inside: 'wait', after: 'reuse' },
    { rotated: 'a key', presented: 'another key', inside: 'wait', after: 'reuse' },
    { rotated: 'none in a keyed session', presented: 'none', inside: 'wait', after: 'reuse' },
    { rotated: 'none in a keyed session', presented: 'a key', inside: 'wait', after: 'reuse' },
  ] as const)(
    'a rotation with $rotated, presented with $presented: inside the window $inside, after it $after',
    async ({ rotated, presented, inside, after }) => {
      const earlierKeyed = rotated === 'none in a keyed session';
      const rotatedWith = earlierKeyed ? undefined : KEYS[rotated];
      const presentedWith = KEYS[presented];
      for (const [seconds, outcome] of [
        [INSIDE, inside],
        [AFTER, after],
      ] as const) {
        const chain = await openChain(app, 2, {
          ...(rotatedWith !== undefined && { retryKey: rotatedWith }),
          ...(earlierKeyed && { firstRetryKey: newRetryKey() }),
        });
        await age(app, chain.sessionId, seconds);
        const before = await rowOf(app, chain.sessionId);

        const { answer, trail } = await present(app, predecessorOf(chain), presentedWith);

        const row = await rowOf(app, chain.sessionId);
        if (outcome === 'wait') {
          expect(answer.status).toBe(429);
          expect(answer.headers.get('Retry-After')).toBe('1');
          expect(answer.body).toEqual({
            type: 'about:blank',
            title: 'Too Many Requests',
            status: 429,
            code: 'replay_refused',
            recovery: 'retry',
          });
          expectTrail(trail, { reason: 'replay_refused' });
          expect(row).toEqual(before);
          expect(await app.refresh(chain.current)).toMatchObject({ status: 200 });
        } else if (outcome === 'reuse') {
          expectRefusal(answer, 'token_revoked');
          const findings = ['auth.token.reuse_detected.v1', 'auth.session.revoked.v1'];
          expectTrail(trail, { findings, reason: 'token_revoked' });
          expect(trail[1].details.secondsSinceRotation).toBeGreaterThanOrEqual(AFTER);
          expect(row).toEqual({ ...before, revoked_at: expect.any(Date), revoked_reason: 'reuse_detected' });
          expectRefusal(await app.refresh(chain.current), 'token_revoked');
        } else {
          expectReplay(answer, chain);
          expectTrail(trail, { reason: null, details: { replayed: true, door: outcome } });
          expect(row).toEqual({
            ...before,
            replay_count: outcome === 'window' ? 1 : 0,
            keyed: rotatedWith !== undefined || presentedWith !== undefined,
            retry_key_hash:
              rotatedWith === undefined && presentedWith !== undefined ? expect.any(Buffer) : before.retry_key_hash,
          });
          expect(await app.refresh(chain.current)).toMatchObject({ status: 200 });
        }
      }
    },
  );
});

describe('By the window', () => {
  // Seen red without the key in the replay's statement: 429, and a reuse once the window is over.
  it('a client that begins to send keys in the middle of a retry can retry with them, however late', async () => {
    const chain = await openChain(app, 1); // its answer is lost …
    const key = newRetryKey();
    expectReplay(await app.refresh(predecessorOf(chain), key), chain); // … and so is this one
    expectReplay(await app.refresh(predecessorOf(chain), key), chain);
    await age(app, chain.sessionId, AFTER);
    expectReplay(await app.refresh(predecessorOf(chain), key), chain);
    expect(await app.refresh(chain.current, newRetryKey())).toMatchObject({ status: 200 });
  });

  // Seen red with a window that looks at the time since the rotation and not at its sign.
  it('nothing opens while the clock is behind the rotation', async () => {
    const chain = await openChain(app, 1);
    await age(app, chain.sessionId, -30);
    expectRefusal(await app.refresh(predecessorOf(chain)), 'token_revoked');
  });

  it('a replay moves nothing: neither the expiry nor the window itself', async () => {
    const chain = await openChain(app, 1);
    await age(app, chain.sessionId, INSIDE);
    expectReplay(await app.refresh(predecessorOf(chain)), chain);
    await age(app, chain.sessionId, INSIDE + 1);
    expectRefusal(await app.refresh(predecessorOf(chain)), 'token_revoked');
  });

  it('more replays than the cap are put off and touch nothing; the current token stays usable', async () => {
    const chain = await openChain(app, 1);
    for (let time = 0; time < 3; time++) expectReplay(await app.refresh(predecessorOf(chain)), chain);
    const before = await rowOf(app, chain.sessionId);

    const { answer, trail } = await present(app, predecessorOf(chain));

    expect(answer).toMatchObject({ status: 429, body: { code: 'too_many_replays', recovery: 'wait' } });
    expect(answer.headers.get('Retry-After')).toBe('1');
    expectTrail(trail, { reason: 'too_many_replays' });
    expect(await rowOf(app, chain.sessionId)).toEqual(before);

    expect(await app.refresh(chain.current)).toMatchObject({ status: 200, body: { generation: 2 } });
    // A rotation starts the count again.
    expect(await app.refresh(chain.current)).toMatchObject({ status: 200, body: { generation: 2 } });
    expect(await rowOf(app, chain.sessionId)).toMatchObject({ replay_count: 1 });
  });

  // Seen red with waits among the junk: after ten junk tokens a minute from its address, a wait left no row.
  it('a wait is recorded whatever else comes from its address', async () => {
    const chain = await openChain(app, 1, { retryKey: newRetryKey() });
    const from = { 'X-Forwarded-For': '198.51.100.12' };
    for (let time = 0; time < 12; time++) await app.post('/auth/refresh', { refreshToken: 'junk' }, from);

    const answer = await app.post('/auth/refresh', { refreshToken: predecessorOf(chain) }, from);

    expect(answer).toMatchObject({ status: 429, body: { code: 'replay_refused' } });
    const [attempted, failed] = (await app.events({ sessionId: chain.sessionId })).slice(-2);
    expect(failed).toMatchObject({ reason: 'replay_refused', ip_address: '198.51.100.12', user_id: chain.account.id });
    expect(attempted).toMatchObject({ type: 'auth.token_refresh.attempted.v1', attempt_id: failed.attempt_id });
  });

  it('waits are recorded one by one up to the cap of replays, for each rotation again', async () => {
    const chain = await openChain(app, 1, { retryKey: newRetryKey() });
    const waits = async () =>
      (await app.events({ sessionId: chain.sessionId })).filter(({ reason }) => reason === 'replay_refused').length;
    await Promise.all(Array.from({ length: 8 }, () => app.refresh(predecessorOf(chain))));
    expect(await waits()).toBe(3);
    expect(await app.refresh(chain.current, newRetryKey())).toMatchObject({ status: 200 });
    await Promise.all(Array.from({ length: 8 }, () => app.refresh(chain.current)));
    expect(await waits()).toBe(6);
  });

  it('a replay that carries a key closes the window for whoever has none', async () => {
    const chain = await openChain(app, 1);
    expectReplay(await app.refresh(predecessorOf(chain), newRetryKey()), chain);
    expect(await app.refresh(predecessorOf(chain))).toMatchObject({ status: 429, body: { code: 'replay_refused' } });
    // The rotation had no key, so none can equal it.
    expect(await app.refresh(predecessorOf(chain), newRetryKey())).toMatchObject({ status: 429 });
  });
});

describe('By the retry key', () => {
  it('a retry days later is answered with the identical successor, again and again, until that is used', async () => {
    const retryKey = newRetryKey();
    const chain = await openChain(app, 1, { retryKey });
    await age(app, chain.sessionId, 6 * DAY);
    for (let time = 0; time < 5; time++) expectReplay(await app.refresh(predecessorOf(chain), retryKey), chain);
    expect(await rowOf(app, chain.sessionId)).toMatchObject({ replay_count: 0 });

    expect(await app.refresh(chain.current, newRetryKey())).toMatchObject({ status: 200, body: { generation: 2 } });
    expectRefusal(await app.refresh(predecessorOf(chain), retryKey), 'token_revoked');
    expect(await rowOf(app, chain.sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
  });

  it('the key of an older rotation opens nothing', async () => {
    const retryKey = newRetryKey();
    const { current } = await openChain(app, 1, { retryKey });
    await app.refresh(current, newRetryKey());
    expect(await app.refresh(current, retryKey)).toMatchObject({ status: 429, body: { code: 'replay_refused' } });
  });

  it.each(['short', 'x'.repeat(21), 'x'.repeat(129), `${'x'.repeat(30)} ${'x'.repeat(30)}`, `${'x'.repeat(30)}=`, ''])(
    'a key that no client should make is 400 and burns nothing: %j',
    async (retryKey) => {
      const { current } = await openChain(app);
      const { status, body } = await app.refresh(current, retryKey);
      expect({ status, errors: body.errors }).toEqual({
        status: 400,
        errors: [{ path: 'Idempotency-Key', message: expect.stringContaining('22 to 128') }],
      });
      expect(await app.refresh(current, 'x'.repeat(22))).toMatchObject({ status: 200, body: { generation: 1 } });
    },
  );
});

describe('A replay outlives nothing that a rotation would not:', () => {
  const KEY = newRetryKey();
  const revoked = (reason: string) => ({ revoked_at: expect.any(Date), revoked_reason: reason });

  it.each([
    {
      name: 'the idle limit',
      end: ({ sessionId }: Chain) => age(app, sessionId, 7 * DAY),
      code: 'token_expired',
      row: {},
    },
    {
      name: "the user's floor",
      end: ({ account }: Chain) =>
        app.query(`INSERT INTO user_token_versions (user_id, min_token_version, reason) VALUES ($1, 2, 'a test')`, [
          account.id,
        ]),
      code: 'token_version_rejected',
      row: revoked('token_version_rejected'),
    },
    {
      name: 'the deactivation of its user',
      end: ({ account }: Chain) => app.query('UPDATE users SET is_active = false WHERE id = $1', [account.id]),
      code: 'user_inactive',
      row: revoked('user_deactivated'),
    },
    {
      name: 'its user',
      end: ({ account }: Chain) => app.query('DELETE FROM users WHERE id = $1', [account.id]),
      code: 'user_not_found',
      row: {},
    },
    {
      name: 'the log-out',
      end: ({ current }: Chain) => app.post('/auth/logout', { refreshToken: current }),
      code: 'token_revoked',
      row: revoked('user_logout'),
    },
    {
      name: 'the global floor',
      end: () => app.query('UPDATE security_policy SET global_min_token_version = global_min_token_version + 1'),
      code: 'token_version_rejected',
      row: revoked('token_version_rejected'),
    },
  ])('$name', async ({ end, code, row }) => {
    const keyless = await openChain(app, 1);
    const keyed = await openChain(app, 1, { retryKey: KEY });
    for (const chain of [keyless, keyed]) {
      await end(chain);
      const before = await rowOf(app, chain.sessionId);
      // The window is closed by an expiry of a week; then only the key can bring a replay as far as this.
      if (code === 'token_expired' && chain === keyless) continue;
      expectRefusal(await app.refresh(predecessorOf(chain), chain === keyed ? KEY : undefined), code);
      expect(await rowOf(app, chain.sessionId)).toEqual({ ...before, ...row });
    }
  });
});

describe('The access token of a replay', () => {
  it("carries the row's stamps, not the floors, and the user's roles of now", async () => {
    const chain = await openChain(app, 1);
    const stamp: number = (await rowOf(app, chain.sessionId)).global_version_at_issuance;
    await app.query(`UPDATE users SET roles = '{user,editor}' WHERE id = $1`, [chain.account.id]);
    await app.query(
      `UPDATE security_policy SET global_min_token_version = $1, rotation_mode = 'drain',
              grace_ends_at = now() + interval '2 minutes'`,
      [stamp + 1],
    );
    try {
      const { body } = await app.refresh(predecessorOf(chain));
      expect(decodeJwt(body.accessToken)).toMatchObject({ gv: stamp, uv: 1, roles: ['user', 'editor'] });
      // Nor does it outlive the grace that it lives on.
      expect(body.expiresIn).toBeLessThanOrEqual(120);
    } finally {
      await app.query(`UPDATE security_policy SET rotation_mode = 'immediate', grace_ends_at = NULL`);
    }
  });
});

describe('With the window at 0', () => {
  it('the predecessor is reuse at once', async () => {
    const chain = await openChain(strict, 1);
    expectRefusal(await strict.refresh(predecessorOf(chain)), 'token_revoked');
    expect(await rowOf(app, chain.sessionId)).toMatchObject({ revoked_reason: 'reuse_detected' });
  });

  it.each(['none', 'another'])('a keyed session is replayed by its key, and %s key is reuse at once', async (which) => {
    const retryKey = newRetryKey();
    const chain = await openChain(strict, 1, { retryKey });
    expectReplay(await strict.refresh(predecessorOf(chain), retryKey), chain);
    const wrong = which === 'none' ? undefined : newRetryKey();
    expectRefusal(await strict.refresh(predecessorOf(chain), wrong), 'token_revoked');
  });
});

describe('With retry keys off', () => {
  it('a key is not even looked at', async () => {
    const retryKey = newRetryKey();
    const chain = await openChain(keyless, 1, { retryKey });
    expectReplay(await keyless.refresh(predecessorOf(chain), newRetryKey()), chain);
    expect(await rowOf(app, chain.sessionId)).toMatchObject({ keyed: false, retry_key_hash: null, replay_count: 1 });
    await age(app, chain.sessionId, AFTER);
    expectRefusal(await keyless.refresh(predecessorOf(chain), retryKey), 'token_revoked');
  });
});
