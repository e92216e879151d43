import { randomUUID } from 'node:crypto';
import { CommandBus } from '@nestjs/cqrs';
import { decodeJwt } from 'jose';
import {
  InvalidInput,
  RecoverAfterRestoreCommand,
  RevokeUserSessionsCommand,
  type RevocationReason,
  SessionRepository,
} from '../../src';
import {
  ADMIN,
  type Answer,
  type Json,
  startTestApplication,
  type TestApplication,
} from '../support/app/test-application';
import { asAdmin, changePassword, policyOf, rotateAll, rotateUser, statusOfMe } from './support/administration';
import { intercept } from './support/intercept';
import { markedRowOf, rowOf, userFloorOf } from './support/sessions';

const SOMEBODY = '01890a5d-ac96-774b-bcce-b302099a8057';
const CLIENT = /^(127\.0\.0\.1|::1)$/;

describe('The administration', () => {
  let app: TestApplication;
  beforeAll(async () => {
    app = await startTestApplication();
  });
  afterAll(() => app.close());

  const adminId = async (): Promise<string> =>
    (await app.query('SELECT id FROM users WHERE email = $1', [ADMIN.email]))[0].id;
  const execute = <T>(command: object): Promise<T> =>
    app.app.get(CommandBus, { strict: false }).execute(command as never);
  const version = async (): Promise<number> => (await policyOf(app)).global_min_token_version;
  const userOf = async (id: string) => (await app.query('SELECT roles, is_active FROM users WHERE id = $1', [id]))[0];

  /** What `work` has recorded but for the logins that it took, in order. */
  async function recordOf(work: () => Promise<unknown>): Promise<Json[]> {
    const known = await app.query('SELECT id FROM auth_events');
    await work();
    return app.query(
      `SELECT * FROM auth_events WHERE id <> ALL($1) AND type !~ '^auth\\.(login|session\\.created)'
       ORDER BY occurred_at, id`,
      [known.map(({ id }) => id)],
    );
  }

  /** One attempt with one ending: they share its id, its time and its client. */
  function expectAttempt(record: readonly Json[], name: string, ending: { reason?: string; details?: object }): void {
    const { reason = null, details = {} } = ending;
    const outcome = reason === null ? 'succeeded' : 'failed';
    expect([record[0].type, record.at(-1).type]).toEqual([`auth.${name}.attempted.v1`, `auth.${name}.${outcome}.v1`]);
    expect(record.filter(({ type }) => /\.(attempted|succeeded|failed)\./.test(type))).toHaveLength(2);
    expect(record.at(-1)).toMatchObject({ outcome, reason, details });
    for (const { attempt_id, occurred_at, ip_address } of record) {
      expect({ attempt_id, occurred_at }).toEqual({
        attempt_id: record[0].attempt_id,
        occurred_at: record[0].occurred_at,
      });
      expect(ip_address).toMatch(CLIENT);
    }
  }

  /** Takes a table away while `work` goes on: whatever needs it meets a fault. */
  async function without<T>(table: string, work: () => Promise<T>): Promise<T> {
    await app.query(`ALTER TABLE ${table} RENAME TO taken_away`);
    try {
      return await work();
    } finally {
      await app.query(`ALTER TABLE taken_away RENAME TO ${table}`);
    }
  }

  const ROUTES: [string, string, object | undefined][] = [
    ['GET', '/admin/security', undefined],
    ['PATCH', '/admin/security', { gracePeriodSeconds: 60 }],
    ['POST', '/admin/security/rotations', { reason: 'a test' }],
    ['POST', '/admin/security/recovery', { reason: 'a test' }],
    ['POST', `/admin/users/${SOMEBODY}/rotations`, { reason: 'a test' }],
    ['PATCH', `/admin/users/${SOMEBODY}`, { isActive: false }],
  ];

  it.each(ROUTES)('%s %s is for administrators', async (method, path, body) => {
    const given = body === undefined ? {} : { body };
    expect(await app.request(method, path, given)).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
    const { id: userId, ...account } = await app.register();
    const { accessToken, sessionId } = (await app.logIn(account)).body;
    const refused = await app.request(method, path, { ...given, bearer: accessToken });
    expect(refused).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
    const [denied] = (await app.events({ sessionId })).filter(({ type }) => type === 'auth.access.denied.v1');
    const route = `${method} ${path.replace(SOMEBODY, ':id')}`;
    expect(denied).toMatchObject({ user_id: userId, outcome: 'failed', details: { requiredRoles: ['admin'], route } });
    expect(denied.ip_address).toMatch(CLIENT);
  });

  // Seen red with an event for each request.
  it('records nothing of a change that changes nothing', async () => {
    const { id } = await app.register();
    const { gracePeriodSeconds, updatedAt } = (await asAdmin(app, 'GET', '/admin/security')).body;
    const announced = () => app.query('SELECT FROM revocations');
    const before = await announced();
    const { accessToken } = (await app.logIn(ADMIN)).body;
    const record = await recordOf(async () => {
      const change = (path: string, body: object) => app.request('PATCH', path, { bearer: accessToken, body });
      const policy = await change('/admin/security', { gracePeriodSeconds });
      expect(policy).toMatchObject({ status: 200, body: { gracePeriodSeconds, updatedAt } });
      for (const body of [{ isActive: true }, { roles: ['user'] }, { isActive: true, roles: ['user'] }])
        expect(await change(`/admin/users/${id}`, body)).toMatchObject({ status: 200, body: { id, roles: ['user'] } });
    });
    expect(record).toEqual([]);
    expect(await announced()).toEqual(before);
  });

  describe('refuses with 400, and changes and records nothing,', () => {
    const rotation = (body: object) => ['POST', '/admin/security/rotations', body] as const;
    const userRotation = (body: object, id = SOMEBODY) => ['POST', `/admin/users/${id}/rotations`, body] as const;
    const grace = (body: object) => ['PATCH', '/admin/security', body] as const;
    const user = (body: object, id = SOMEBODY) => ['PATCH', `/admin/users/${id}`, body] as const;
    const recovery = (body: object) => ['POST', '/admin/security/recovery', body] as const;
    const reason = 'a test';

    it.each([
      ['a recovery without a reason', recovery({}), ['reason']],
      ['a recovery with a reason of blanks', recovery({ reason: ' ' }), ['reason']],
      ['a recovery of more than 7 days', recovery({ reason, forSeconds: 604_801 }), ['forSeconds']],
      ['a recovery of less than nothing', recovery({ reason, forSeconds: -1 }), ['forSeconds']],
      ['a recovery of half a second', recovery({ reason, forSeconds: 0.5 }), ['forSeconds']],
      ['null for its seconds', recovery({ reason, forSeconds: null }), ['forSeconds']],
      ['a recovery in words', recovery({ reason, forSeconds: '24h' }), ['forSeconds']],
      ['an end for a recovery', recovery({ reason, recoveryUntil: '2030-01-01T00:00:00Z' }), ['recoveryUntil']],
      ['a rotation without a reason', rotation({}), ['reason']],
      ['an empty reason', rotation({ reason: '' }), ['reason']],
      ['a reason of blanks', rotation({ reason: '  ' }), ['reason']],
      ['null for a reason', rotation({ reason: null }), ['reason']],
      ['a number for a reason', rotation({ reason: 7 }), ['reason']],
      ['a long reason', rotation({ reason: 'x'.repeat(501) }), ['reason']],
      ['a reason with a control character', rotation({ reason: 'a\u0000b' }), ['reason']],
      ['an unknown mode', rotation({ reason, mode: 'now' }), ['mode']],
      ['null for a mode', rotation({ reason, mode: null }), ['mode']],
      ['a grace without a mode', rotation({ reason, gracePeriodSeconds: 60 }), ['gracePeriodSeconds']],
      [
        'a grace in mode immediate',
        rotation({ reason, mode: 'immediate', gracePeriodSeconds: 0 }),
        ['gracePeriodSeconds'],
      ],
      ['a negative grace', rotation({ reason, mode: 'drain', gracePeriodSeconds: -1 }), ['gracePeriodSeconds']],
      ['half a second of grace', rotation({ reason, mode: 'drain', gracePeriodSeconds: 0.5 }), ['gracePeriodSeconds']],
      ['a grace in words', rotation({ reason, mode: 'drain', gracePeriodSeconds: '60' }), ['gracePeriodSeconds']],
      ['null for a grace', rotation({ reason, mode: 'drain', gracePeriodSeconds: null }), ['gracePeriodSeconds']],
      ['a grace of years', rotation({ reason, mode: 'drain', gracePeriodSeconds: 1e9 }), ['gracePeriodSeconds']],
      ['version 0', rotation({ reason, expectedVersion: 0 }), ['expectedVersion']],
      ['a version in words', rotation({ reason, expectedVersion: '1' }), ['expectedVersion']],
      ['a version that no column holds', rotation({ reason, expectedVersion: 2 ** 31 }), ['expectedVersion']],
      ['an unknown field', rotation({ reason, by: 1000 }), ['by']],
      ['a user rotation without a reason', userRotation({}), ['reason']],
      ['a user rotation with an empty reason', userRotation({ reason: '' }), ['reason']],
      ['a user rotation of a malformed id', userRotation({ reason }, 'x'.repeat(129)), ['id']],
      ['no grace period', grace({}), ['gracePeriodSeconds']],
      ['a negative grace period', grace({ gracePeriodSeconds: -1 }), ['gracePeriodSeconds']],
      ['null for a grace period', grace({ gracePeriodSeconds: null }), ['gracePeriodSeconds']],
      [
        'a version beside the grace period',
        grace({ gracePeriodSeconds: 1, globalMinTokenVersion: 1 }),
        ['globalMinTokenVersion'],
      ],
      ['activity in words', user({ isActive: 'false' }), ['isActive']],
      ['null for activity', user({ isActive: null }), ['isActive']],
      ['a role that is no list', user({ roles: 'admin' }), ['roles']],
      ['a role that is no word', user({ roles: ['Ad min'] }), ['roles']],
      ['a role twice', user({ roles: ['user', 'user'] }), ['roles']],
      ['a password', user({ password: 'four sensible words here' }), ['password']],
      ['a change of a malformed id', user({ isActive: false }, 'a%0Ab'), ['id']],
    ])('%s', async (_what, [method, path, body], paths) => {
      const before = await policyOf(app);
      let answer: Answer | undefined;
      const record = await recordOf(async () => {
        answer = await asAdmin(app, method, path, body);
      });
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
      expect([...new Set(answer!.body.errors.map((error: Json) => error.path))]).toEqual(paths);
      expect([record, await policyOf(app)]).toEqual([[], before]);
    });
  });

  it('leaves what it tells of people in no cache', async () => {
    const { id } = await app.register();
    for (const path of [`users/${id}/sessions`, `sessions/${id}/history`, 'audit-events?limit=1']) {
      const { status, headers } = await asAdmin(app, 'GET', `/admin/${path}`);
      expect([path, status, headers.get('Cache-Control')]).toEqual([path, 200, 'no-store']);
    }
  });

  describe('of the policy', () => {
    it('shows it as it is, changed a moment ago or not', async () => {
      const stored = await policyOf(app);
      const { status, body } = await asAdmin(app, 'GET', '/admin/security');
      expect([status, body]).toEqual([
        200,
        {
          globalMinTokenVersion: stored.global_min_token_version,
          mode: 'immediate',
          graceEndsAt: null,
          gracePeriodSeconds: 300,
          lastRotationAt: null,
          lastRotationReason: null,
          createdAt: stored.created_at.toISOString(),
          updatedAt: stored.updated_at.toISOString(),
        },
      ]);

      const patched = await asAdmin(app, 'PATCH', '/admin/security', { gracePeriodSeconds: 120 });
      expect(patched).toMatchObject({
        status: 200,
        body: { ...body, gracePeriodSeconds: 120, updatedAt: expect.any(String) },
      });
      expect((await asAdmin(app, 'GET', '/admin/security')).body).toEqual(patched.body);
      await rotateAll(app, { mode: 'migrate' });
      expect((await asAdmin(app, 'GET', '/admin/security')).body).toMatchObject({
        globalMinTokenVersion: await version(),
        mode: 'migrate',
        lastRotationReason: 'a test',
      });
    });

    it('takes the default for the grace of later rotations, and records who changed it', async () => {
      await asAdmin(app, 'PATCH', '/admin/security', { gracePeriodSeconds: 120 });
      const record = await recordOf(() => asAdmin(app, 'PATCH', '/admin/security', { gracePeriodSeconds: 60 }));
      expect(record).toEqual([
        expect.objectContaining({
          type: 'auth.security_policy.changed.v1',
          details: { actorId: await adminId(), previousGracePeriodSeconds: 120, gracePeriodSeconds: 60 },
        }),
      ]);
      const before = Date.now();
      const { graceEndsAt } = await rotateAll(app, { mode: 'drain' });
      expect(Math.abs(new Date(graceEndsAt).getTime() - before - 60_000)).toBeLessThan(10_000);
    });
  });

  describe('rotates all tokens', () => {
    // Seen red with the fault in the answer: whoever tries again rotates twice.
    it('and answers so with an estimate when nobody can be found to count the sessions', async () => {
      await app.logIn();
      await app.query('ANALYZE sessions');
      const [{ rows }] = await app.query('SELECT reltuples AS rows FROM pg_class WHERE relname = $1', ['sessions']);
      const previousVersion = await version();
      const restore = intercept(app, SessionRepository, 'countBelowGlobal', () =>
        Promise.reject(new Error('timeout exceeded when trying to connect')),
      );
      const body = await rotateAll(app).finally(restore);
      expect(body).toMatchObject({ previousVersion, newVersion: previousVersion + 1, sessionsAffected: rows });
      expect(rows).toBeGreaterThan(0);
    });

    it('and answers the versions, the mode, the deadline, and how many live sessions it concerns', async () => {
      await execute(new RecoverAfterRestoreCommand());
      const accounts = [await app.logIn(), await app.logIn()];
      await app.post('/auth/logout', { refreshToken: accounts[0]!.body.refreshToken });
      const previousVersion = await version();
      const body = await rotateAll(app, { mode: 'drain', gracePeriodSeconds: 60 });
      expect(body).toEqual({
        previousVersion,
        newVersion: previousVersion + 1,
        mode: 'drain',
        graceEndsAt: (await policyOf(app)).grace_ends_at.toISOString(),
        sessionsAffected: 2, // the account's and the administrator's own
      });
    });

    it('and records the attempt and its success, with who and why', async () => {
      const record = await recordOf(() => rotateAll(app, { mode: 'migrate', gracePeriodSeconds: 60 }));
      const { global_min_token_version: newVersion, grace_ends_at } = await policyOf(app);
      expectAttempt(record, 'global_rotation', {
        details: {
          actorId: await adminId(),
          previousVersion: newVersion - 1,
          newVersion,
          mode: 'migrate',
          graceEndsAt: grace_ends_at.toISOString(),
        },
      });
      expect(record[0].details).toEqual({ actorId: await adminId(), mode: 'migrate', cause: 'a test' });
    });

    // Seen red with the expected version left out of the condition.
    it('unless the version is not the expected one: 409, and nothing but a record', async () => {
      const before = await policyOf(app);
      const body = { reason: 'a test', expectedVersion: before.global_min_token_version - 1 };
      let answer: Answer | undefined;
      const record = await recordOf(async () => {
        answer = await asAdmin(app, 'POST', '/admin/security/rotations', body);
      });
      expect(answer).toMatchObject({ status: 409, body: { code: 'version_mismatch' } });
      expect(answer!.body).not.toHaveProperty('recovery');
      expectAttempt(record, 'global_rotation', { reason: 'version_mismatch', details: { actorId: await adminId() } });
      expect(await policyOf(app)).toEqual(before);
    });

    it('once for two who expect the same version at once, twice for two who expect none', async () => {
      const before = await version();
      const twoAtOnce = async (body: object) => {
        const bearers = [(await app.logIn(ADMIN)).body, (await app.logIn(ADMIN)).body];
        const asking = bearers.map(({ accessToken: bearer }) =>
          app.request('POST', '/admin/security/rotations', {
            bearer,
            body: { reason: 'a test', mode: 'drain', ...body },
          }),
        );
        return Promise.all(asking);
      };
      const expecting = await twoAtOnce({ expectedVersion: before });
      expect(expecting.map(({ status }) => status).sort()).toEqual([201, 409]);
      const unconditional = await twoAtOnce({});
      const versions = unconditional.map(({ body }) => [body.previousVersion, body.newVersion]);
      expect(versions.sort()).toEqual([
        [before + 1, before + 2],
        [before + 2, before + 3],
      ]);
    });

    it('or ends in a recorded fault with 503, and nothing has changed', async () => {
      const before = await policyOf(app);
      let answer: Answer | undefined;
      const record = await recordOf(async () => {
        const bearer = (await app.logIn(ADMIN)).body.accessToken;
        answer = await without('revocations', () =>
          app.request('POST', '/admin/security/rotations', { bearer, body: { reason: 'a test' } }),
        );
      });
      expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable', recovery: 'retry' } });
      expect(answer!.headers.get('Retry-After')).toBe('1');
      expectAttempt(record, 'global_rotation', { reason: 'fault', details: { actorId: await adminId() } });
      expect(await policyOf(app)).toEqual(before);
    });

    it('or does not where it cannot be recorded', async () => {
      const before = await policyOf(app);
      const bearer = (await app.logIn(ADMIN)).body.accessToken;
      const answer = await without('auth_events', () =>
        app.request('POST', '/admin/security/rotations', { bearer, body: { reason: 'a test' } }),
      );
      expect(answer.status).toBe(503);
      expect(await policyOf(app)).toEqual(before);
      expect(await statusOfMe(app, bearer)).toBe(200);
    });
  });

  describe("rotates one user's tokens", () => {
    it('and records the attempt and its success, with who and why', async () => {
      const { id } = await app.register();
      const record = await recordOf(() => rotateUser(app, id));
      expectAttempt(record, 'user_rotation', {
        details: { actorId: await adminId(), previousVersion: 1, newVersion: 2 },
      });
      expect(record[0]).toMatchObject({ user_id: id, details: { actorId: await adminId(), cause: 'a test' } });
      expect(record[1].user_id).toBe(id);
    });

    it('unless there is no such user: 404, and nothing but a record', async () => {
      const id = randomUUID();
      let answer: Answer | undefined;
      const record = await recordOf(async () => {
        answer = await asAdmin(app, 'POST', `/admin/users/${id}/rotations`, { reason: 'a test' });
      });
      expect(answer).toMatchObject({ status: 404, body: { code: 'user_not_found' } });
      expectAttempt(record, 'user_rotation', { reason: 'user_not_found', details: { actorId: await adminId() } });
      expect(await userFloorOf(app, id)).toBe(1);
    });

    it('or ends in a recorded fault with 503, and nothing has changed', async () => {
      const { id } = await app.register();
      let status: number | undefined;
      const record = await recordOf(async () => {
        const bearer = (await app.logIn(ADMIN)).body.accessToken;
        const body = { reason: 'a test' };
        ({ status } = await without('revocations', () =>
          app.request('POST', `/admin/users/${id}/rotations`, { bearer, body }),
        ));
      });
      expect(status).toBe(503);
      expectAttempt(record, 'user_rotation', { reason: 'fault' });
      expect(await userFloorOf(app, id)).toBe(1);
    });
  });

  describe('of users', () => {
    const patch = (id: string, body: object) => asAdmin(app, 'PATCH', `/admin/users/${id}`, body);

    it('answers 404 for an unknown one, and records nothing', async () => {
      const record = await recordOf(async () => {
        for (const body of [{ isActive: false }, { roles: ['user'] }, {}]) {
          expect(await patch(randomUUID(), body)).toMatchObject({ status: 404, body: { code: 'user_not_found' } });
        }
      });
      expect(record).toEqual([]);
    });

    // Seen red with a deactivation that raises no floor.
    it('deactivates: every session and access token ends, and nobody signs in', async () => {
      const account = await app.register();
      const pairs = [(await app.logIn(account)).body, (await app.logIn(account)).body];
      let answer: Answer | undefined;
      const record = await recordOf(async () => {
        answer = await patch(account.id, { isActive: false });
      });
      expect([answer!.status, answer!.body]).toEqual([
        200,
        { id: account.id, email: account.email, roles: ['user'], isActive: false },
      ]);
      expect(record.map(({ type, reason, user_id }) => [type, reason, user_id])).toEqual([
        ['auth.sessions.all_revoked.v1', 'user_deactivated', account.id],
        ['auth.user.deactivated.v1', null, account.id],
      ]);
      const actorId = await adminId();
      expect(record.map(({ details }) => details)).toEqual([{ revokedSessions: 2, actorId }, { actorId }]);
      expect(await userFloorOf(app, account.id)).toBe(2);
      for (const { sessionId, refreshToken, accessToken } of pairs) {
        expect(await markedRowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_deactivated' });
        expect(await app.refresh(refreshToken)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
        expect(await statusOfMe(app, accessToken)).toBe(401);
      }
      expect(await app.logIn(account)).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });

      // What ended stays ended.
      expect((await patch(account.id, { isActive: true })).body).toMatchObject({ isActive: true });
      for (const { accessToken, refreshToken } of pairs) {
        expect(await statusOfMe(app, accessToken)).toBe(401);
        expect((await app.refresh(refreshToken)).status).toBe(401);
      }
      expect((await app.logIn(account)).status).toBe(200);
    });

    it('gives a role, which the next refresh tells, and nothing ends', async () => {
      const account = await app.register();
      const pair = (await app.logIn(account)).body;
      const record = await recordOf(() => patch(account.id, { roles: ['user', 'clerk'] }));
      expect(record).toEqual([
        expect.objectContaining({
          type: 'auth.user.roles_changed.v1',
          user_id: account.id,
          details: { actorId: await adminId(), previousRoles: ['user'], roles: ['user', 'clerk'] },
        }),
      ]);
      expect(await statusOfMe(app, pair.accessToken)).toBe(200);
      const { body } = await app.refresh(pair.refreshToken);
      expect(decodeJwt(body.accessToken).roles).toEqual(['user', 'clerk']);
    });

    // Seen red with a removal that raises no floor.
    it('takes a role away: no token keeps it, and the next login is without it', async () => {
      const account = await app.register();
      await patch(account.id, { roles: ['user', 'clerk'] });
      const pair = (await app.logIn(account)).body;
      expect(decodeJwt(pair.accessToken).roles).toEqual(['user', 'clerk']);
      await patch(account.id, { roles: ['user'] });
      expect(await statusOfMe(app, pair.accessToken)).toBe(401);
      expect(await app.refresh(pair.refreshToken)).toMatchObject({
        status: 401,
        body: { code: 'token_version_rejected' },
      });
      const next = (await app.logIn(account)).body;
      expect(decodeJwt(next.accessToken).roles).toEqual(['user']);
      expect(await statusOfMe(app, next.accessToken)).toBe(200);
    });

    // Seen red with a floor that rises only for fewer roles.
    it('replaces a role, which takes the old one away', async () => {
      const account = await app.register();
      await patch(account.id, { roles: ['admin'] });
      const { accessToken } = (await app.logIn(account)).body;
      await patch(account.id, { roles: ['clerk'] });
      expect(await statusOfMe(app, accessToken)).toBe(401);
    });

    it('takes `admin` away at once, whatever an access token says', async () => {
      const account = await app.register();
      await patch(account.id, { roles: ['admin'] });
      const { accessToken } = (await app.logIn(account)).body;
      expect((await app.get('/admin/security', accessToken)).status).toBe(200);
      await app.query(`UPDATE users SET roles = '{user}' WHERE id = $1`, [account.id]);
      expect((await app.get('/admin/security', accessToken)).status).toBe(403);
    });

    it.each([[{ isActive: false }], [{ roles: ['user'] }], [{ roles: ['user'], isActive: false }]])(
      'refuses %j for the last administrator with 409, and changes nothing',
      async (body) => {
        const id = await adminId();
        const before = [await userOf(id), await userFloorOf(app, id)];
        let answer: Answer | undefined;
        const record = await recordOf(async () => {
          answer = await patch(id, body);
        });
        expect(answer).toMatchObject({ status: 409, body: { code: 'last_admin' } });
        expect([record, await userOf(id), await userFloorOf(app, id)]).toEqual([[], ...before]);
      },
    );

    // Seen red without the unit of work around both.
    it('makes both changes of a request, or neither', async () => {
      const id = await adminId();
      const before = [await userOf(id), await userFloorOf(app, id)];
      const record = await recordOf(async () => {
        expect((await patch(id, { roles: ['admin', 'clerk'], isActive: false })).status).toBe(409);
      });
      expect([record, await userOf(id), await userFloorOf(app, id)]).toEqual([[], ...before]);

      const account = await app.register();
      const both = { roles: ['clerk'], isActive: false };
      expect((await patch(account.id, both)).body).toMatchObject(both);
      expect(await userOf(account.id)).toEqual({ roles: ['clerk'], is_active: false });
    });

    it('leaves one of two administrators who demote each other at once', async () => {
      const other = await app.register();
      await patch(other.id, { roles: ['admin'] });
      const [one, two] = [(await app.logIn(ADMIN)).body, (await app.logIn(other)).body];
      const demote = (bearer: string, id: string) =>
        app.request('PATCH', `/admin/users/${id}`, { bearer, body: { roles: ['user'] } });
      const answers = await Promise.all([demote(one.accessToken, other.id), demote(two.accessToken, await adminId())]);
      const statuses = answers.map(({ status }) => status);
      expect(statuses.filter((status) => status === 200)).toHaveLength(1);
      expect([401, 403, 409]).toContain(statuses.find((status) => status !== 200));
      const left = await app.query(`SELECT id FROM users WHERE is_active AND 'admin' = ANY (roles)`);
      expect(left).toHaveLength(1);
      await app.query(`UPDATE users SET roles = '{admin,user}' WHERE email = $1`, [ADMIN.email]);
      await app.query(`UPDATE users SET roles = '{user}' WHERE id = $1`, [other.id]);
    });

    it('records nothing and changes nothing when it meets a fault', async () => {
      const account = await app.register();
      const pair = (await app.logIn(account)).body;
      const record = await recordOf(async () => {
        const bearer = (await app.logIn(ADMIN)).body.accessToken;
        const { status } = await without('revocations', () =>
          app.request('PATCH', `/admin/users/${account.id}`, { bearer, body: { isActive: false } }),
        );
        expect(status).toBe(503);
      });
      expect([record, await userOf(account.id)]).toEqual([[], { roles: ['user'], is_active: true }]);
      expect(await statusOfMe(app, pair.accessToken)).toBe(200);
    });
  });

  describe('with the end of one session', () => {
    // Seen red with a guard that asks for the floors alone, and with a revocation that is announced to nobody.
    it.each([
      ['by a log-out', (pair: Json) => app.post('/auth/logout', { refreshToken: pair.refreshToken })],
      [
        'by a log-out with its access token',
        (pair: Json) => app.request('POST', '/auth/logout', { bearer: pair.accessToken }),
      ],
      [
        'by a reuse',
        async (pair: Json) => {
          const next = (await app.refresh(pair.refreshToken)).body;
          await app.refresh(next.refreshToken);
          return app.refresh(pair.refreshToken);
        },
      ],
    ])('%s its access tokens end with it, and no other session', async (_how, end) => {
      const account = await app.register();
      const [pair, other] = [(await app.logIn(account)).body, (await app.logIn(account)).body];
      expect(await statusOfMe(app, pair.accessToken)).toBe(200);
      await end(pair);
      expect(await statusOfMe(app, pair.accessToken)).toBe(401);
      expect(await statusOfMe(app, other.accessToken)).toBe(200);
      expect(await userFloorOf(app, account.id)).toBe(1);
    });
  });

  describe('with a log-out everywhere', () => {
    // Seen red without the floor: access tokens live on.
    it('every session and access token of the user ends, and the answer is how many', async () => {
      const account = await app.register();
      const pairs = [(await app.logIn(account)).body, (await app.logIn(account)).body];
      const other = (await app.logIn()).body;
      let answer: Answer | undefined;
      const record = await recordOf(async () => {
        answer = await app.request('POST', '/auth/logout-all', { bearer: pairs[0].accessToken });
      });
      expect([answer!.status, answer!.body]).toEqual([200, { revokedSessions: 2 }]);
      expect(answer!.headers.get('Cache-Control')).toBe('no-store');
      expectAttempt(record, 'logout', { details: { revokedSessions: 2 } });
      expect(record.slice(1, -1)).toMatchObject([
        { type: 'auth.sessions.all_revoked.v1', reason: 'user_logout_all', details: { revokedSessions: 2 } },
      ]);
      for (const { sessionId, accessToken, refreshToken } of pairs) {
        expect(await markedRowOf(app, sessionId)).toMatchObject({ revoked_reason: 'user_logout_all' });
        expect(await statusOfMe(app, accessToken)).toBe(401);
        expect((await app.refresh(refreshToken)).status).toBe(401);
      }
      expect(await statusOfMe(app, other.accessToken)).toBe(200);
      expect((await app.request('POST', '/auth/logout-all', { bearer: pairs[1].accessToken })).status).toBe(401);
      expect((await app.logIn(account)).status).toBe(200);
    });

    it('that meets a fault, nothing has changed, and the fault is recorded', async () => {
      const pair = (await app.logIn()).body;
      let status: number | undefined;
      const record = await recordOf(async () => {
        ({ status } = await without('revocations', () =>
          app.request('POST', '/auth/logout-all', { bearer: pair.accessToken }),
        ));
      });
      expect(status).toBe(503);
      expectAttempt(record, 'logout', { reason: 'fault' });
      expect(await statusOfMe(app, pair.accessToken)).toBe(200);
      expect((await app.refresh(pair.refreshToken)).status).toBe(200);
    });
  });

  describe('with a password change', () => {
    const NEXT = 'another long passphrase';
    const signedIn = async () => {
      const account = await app.register();
      const { body } = await app.post('/auth/login', {
        email: account.email,
        password: account.password,
        deviceId: 'phone',
        deviceName: 'Work phone',
      });
      return { account, pair: body };
    };

    it('every earlier session ends, and the caller has a new one on the same device', async () => {
      const { account, pair } = await signedIn();
      const other = (await app.logIn(account)).body;
      let answer: Answer | undefined;
      const record = await recordOf(async () => {
        answer = await changePassword(app, pair.accessToken, account, NEXT);
      });
      const next = answer!.body;
      expect(answer!.status).toBe(200);
      expect(answer!.headers.get('Cache-Control')).toBe('no-store');
      expect(next).toMatchObject({ tokenType: 'Bearer', expiresIn: 900, generation: 0 });
      expect(next.sessionId).not.toBe(pair.sessionId);

      const [old, opened] = [await rowOf(app, pair.sessionId), await rowOf(app, next.sessionId)];
      for (const column of ['device_id', 'device_name', 'user_agent', 'ip_address', 'delivery']) {
        expect([column, opened[column]]).toEqual([column, old[column]]);
      }
      expect(opened).toMatchObject({ token_version: 2, revoked_at: null, device_name: 'Work phone' });
      for (const { sessionId, accessToken, refreshToken } of [pair, other]) {
        expect(await markedRowOf(app, sessionId)).toMatchObject({ revoked_reason: 'password_changed' });
        expect(await statusOfMe(app, accessToken)).toBe(401);
        expect(await app.refresh(refreshToken)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
      }
      expect(await statusOfMe(app, next.accessToken)).toBe(200);
      expect((await app.refresh(next.refreshToken)).status).toBe(200);
      expect((await app.logIn(account)).status).toBe(401);
      expect((await app.logIn({ ...account, password: NEXT })).status).toBe(200);

      expect(record.map(({ type, reason, session_id }) => [type, reason, session_id])).toEqual([
        ['auth.password_change.attempted.v1', null, pair.sessionId],
        ['auth.sessions.all_revoked.v1', 'password_changed', pair.sessionId],
        ['auth.password_change.succeeded.v1', null, next.sessionId],
      ]);
      expectAttempt(record, 'password_change', { details: { revokedSessions: 2 } });
      const [created] = await app.events({ sessionId: next.sessionId });
      expect(created.attempt_id).toBe(record[0].attempt_id);
    });

    const expectUnchanged = async ({ account, pair }: Awaited<ReturnType<typeof signedIn>>) => {
      expect(await statusOfMe(app, pair.accessToken)).toBe(200);
      expect((await app.refresh(pair.refreshToken)).status).toBe(200);
      expect((await app.logIn(account)).status).toBe(200);
      expect(await userFloorOf(app, account.id)).toBe(1);
    };

    it('by a wrong password nothing changes: 401, recorded', async () => {
      const { account, pair } = await signedIn();
      let answer: Answer | undefined;
      const record = await recordOf(async () => {
        answer = await changePassword(app, pair.accessToken, { ...account, password: 'not the password' }, NEXT);
      });
      expect(answer).toMatchObject({ status: 401, body: { code: 'invalid_credentials', recovery: 'reauthenticate' } });
      expectAttempt(record, 'password_change', { reason: 'wrong_password' });
      await expectUnchanged({ account, pair });
    });

    it.each([
      ['short', 'short'],
      ['among the most common', 'password123'],
      ['of more than 72 bytes', '漢'.repeat(25)],
    ])('to one that is %s nothing changes: 400', async (_what, password) => {
      const { account, pair } = await signedIn();
      const answer = await changePassword(app, pair.accessToken, account, password);
      expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: 'newPassword' }] } });
      await expectUnchanged({ account, pair });
    });

    it.each([
      [{}],
      [{ newPassword: NEXT }],
      [{ currentPassword: 'x', newPassword: null }],
      [{ currentPassword: 7, newPassword: NEXT }],
    ])('as %j nothing changes: 400', async (body) => {
      const { account, pair } = await signedIn();
      expect((await app.request('POST', '/auth/password', { bearer: pair.accessToken, body })).status).toBe(400);
      await expectUnchanged({ account, pair });
    });

    it('that meets a fault nothing changes: 503, recorded', async () => {
      const { account, pair } = await signedIn();
      let status: number | undefined;
      const record = await recordOf(async () => {
        ({ status } = await without('revocations', () => changePassword(app, pair.accessToken, account, NEXT)));
      });
      expect(status).toBe(503);
      expectAttempt(record, 'password_change', { reason: 'fault' });
      await expectUnchanged({ account, pair });
    });
  });

  describe('by commands of the host', () => {
    it('ends all of a user’s sessions for a reason of the list, and tells how many', async () => {
      const account = await app.register();
      const pair = (await app.logIn(account)).body;
      const record = await recordOf(() =>
        expect(execute(new RevokeUserSessionsCommand(account.id, 'admin_action'))).resolves.toBe(1),
      );
      expect(record).toEqual([
        expect.objectContaining({
          type: 'auth.sessions.all_revoked.v1',
          user_id: account.id,
          reason: 'admin_action',
          details: { revokedSessions: 1 },
        }),
      ]);
      expect(await markedRowOf(app, pair.sessionId)).toMatchObject({ revoked_reason: 'admin_action' });
      expect(await statusOfMe(app, pair.accessToken)).toBe(401);
      expect(await execute(new RevokeUserSessionsCommand(account.id))).toBe(0);
      expect(await execute(new RevokeUserSessionsCommand(randomUUID()))).toBe(0);
    });

    it.each(['because', '', undefined, null, 'toString'])('refuses the reason %j', async (reason) => {
      const account = await app.register();
      const pair = (await app.logIn(account)).body;
      const command = Object.assign(new RevokeUserSessionsCommand(account.id), { reason: reason as RevocationReason });
      await expect(execute(command)).rejects.toThrow(InvalidInput);
      expect(await userFloorOf(app, account.id)).toBe(1);
      expect(await statusOfMe(app, pair.accessToken)).toBe(200);
    });

    it('recovers after a restore: 1,000 versions on, at once, and no session is left', async () => {
      await rotateAll(app, { mode: 'migrate', gracePeriodSeconds: 3600 });
      const pairs = [(await app.logIn()).body, (await app.logIn()).body];
      const previousVersion = await version();
      let answer: unknown;
      const record = await recordOf(async () => {
        answer = await execute(new RecoverAfterRestoreCommand());
      });
      expect(answer).toEqual({
        previousVersion,
        newVersion: previousVersion + 1000,
        revokedSessions: expect.any(Number),
      });
      expect((answer as { revokedSessions: number }).revokedSessions).toBeGreaterThanOrEqual(2);
      expect(await policyOf(app)).toMatchObject({
        global_min_token_version: previousVersion + 1000,
        rotation_mode: 'immediate',
        grace_ends_at: null,
      });
      expect(await app.query('SELECT id FROM sessions WHERE revoked_at IS NULL AND expires_at > now()')).toEqual([]);
      for (const { accessToken, refreshToken } of pairs) {
        expect(await statusOfMe(app, accessToken)).toBe(401);
        expect(await app.refresh(refreshToken)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
      }
      expect(record.map(({ type }) => type).sort()).toEqual([
        'auth.global_rotation.attempted.v1',
        'auth.global_rotation.succeeded.v1',
        'auth.sessions.all_revoked.v1',
      ]);
      expect((await app.logIn()).status).toBe(200);
    });

    // Seen red with the leap and the marks in one transaction.
    it('refuses every token once the leap has committed, and marks the rest when it is run again', async () => {
      const pairs = [(await app.logIn()).body, (await app.logIn()).body];
      const previousVersion = await version();
      const restore = intercept(app, SessionRepository, 'revokeBelowGlobal', () =>
        Promise.reject(new Error('the process is killed here')),
      );
      await expect(execute(new RecoverAfterRestoreCommand()).finally(restore)).rejects.toThrow('is killed here');
      expect(await version()).toBe(previousVersion + 1000);
      const [one, other] = pairs;
      expect(await statusOfMe(app, one.accessToken)).toBe(401);
      expect(await app.refresh(one.refreshToken)).toMatchObject({
        status: 401,
        body: { code: 'token_version_rejected' },
      });
      expect((await rowOf(app, other.sessionId)).revoked_at).toBeNull();

      await execute(new RecoverAfterRestoreCommand());
      expect(await rowOf(app, other.sessionId)).toMatchObject({ revoked_reason: 'admin_action' });
      expect(await app.query('SELECT id FROM sessions WHERE revoked_at IS NULL AND expires_at > now()')).toEqual([]);
    });
  });
});
