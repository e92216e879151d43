import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandBus } from '@nestjs/cqrs';
import { v7 as uuidv7 } from 'uuid';
import { TriggerUserTokenRotationCommand } from '../../src';
import { ADMIN, startTestApplication, type Json, type TestApplication } from '../support/app/test-application';
import { freshDatabase, testDatabase, type TestDatabase } from '../support/database/test-database';
import { copy } from '../http/support/sessions';
import { type Env, expectFailure, finished, ratchet, SECRETS, settings, start } from './ratchet';

const NOBODY = '01980000-0000-7000-8000-000000000000';

describe('ratchet, beside a running application,', () => {
  let database: TestDatabase;
  let app: TestApplication;
  let env: Env;

  beforeAll(async () => {
    database = await testDatabase();
    env = settings(database.url);
    app = await startTestApplication({ database, env: SECRETS });
  });
  afterAll(async () => {
    await app.close();
    await database.close();
  });

  const run = (...args: string[]) => ratchet(args, env);

  /** Two sessions of a new user. */
  async function signedIn() {
    const account = await app.register();
    const [one, two] = [(await app.logIn(account, { deviceName: 'Phone' })).body, (await app.logIn(account)).body];
    return { ...account, one, two };
  }

  /** Everything that a command could change. */
  const everything = () =>
    app.query(`
      SELECT (SELECT json_agg(s ORDER BY id) FROM sessions s) AS sessions, (SELECT to_json(p) FROM security_policy p) AS policy,
             (SELECT json_agg(v ORDER BY user_id) FROM user_token_versions v) AS floors, (SELECT json_agg(u ORDER BY id) FROM users u) AS users,
             (SELECT count(*) FROM auth_events) AS events, (SELECT count(*) FROM revocations) AS revocations`);

  /** The guard has heard of it: at once by a notification, and otherwise within a second. */
  async function expectRefusedSoon(bearer: string): Promise<void> {
    while ((await app.get('/auth/me', bearer)).status !== 401) await delay(20);
  }

  const refusals = async (token: string) => (await app.refresh(token)).body.code;

  describe('sessions list', () => {
    it('tells of the same sessions as the administrators’ route, by e-mail and by id', async () => {
      const { id, email, one, two } = await signedIn();
      const admin = (await app.logIn(ADMIN)).body.accessToken;
      const { body } = await app.get(`/admin/users/${id}/sessions`, admin);
      const [byEmail, byId, text] = await Promise.all([
        run('sessions', 'list', email.toUpperCase(), '--json'),
        run('--json', 'sessions', 'list', id),
        run('sessions', 'list', email),
      ]);

      expect(byEmail).toMatchObject({ code: 0, stderr: '' });
      expect(byEmail.json).toEqual(body.items.map(({ current: _, ...session }: Json) => session));
      expect(byId.json).toEqual(byEmail.json);
      expect(text.stdout).toMatch(/^SESSION .*DEVICE\n/);
      expect(text.stdout).toMatch(new RegExp(`${one.sessionId}  0 .* Phone\n`));
      expect(text.stdout).toContain(two.sessionId);
    });

    it('goes through all pages, or as far as --limit', async () => {
      const { id, one } = await signedIn();
      await copy(app, one.sessionId, 250, 1);
      const [all, some, none] = await Promise.all([
        run('sessions', 'list', id, '--json'),
        run('sessions', 'list', id, '--limit', '101', '--json'),
        run('sessions', 'list', id, '--limit', '0'),
      ]);
      expect(new Set(all.json.map((session: Json) => session.id)).size).toBe(252);
      expect(some.json).toEqual(all.json.slice(0, 101));
      expect(none).toMatchObject({ code: 2, stdout: '' });
    });

    it('knows an id without sessions, but no e-mail without a user', async () => {
      const [none, unknown] = await Promise.all([
        run('sessions', 'list', NOBODY),
        run('sessions', 'list', 'nobody@example.com'),
      ]);
      expect(none).toMatchObject({ code: 0, stdout: 'No live sessions.\n' });
      expectFailure(unknown, 1, /No user has the e-mail nobody@example.com/);
    });
  });

  describe('sessions revoke', () => {
    it('ends that session alone, also for its access token, and records who did it', async () => {
      const { one, two } = await signedIn();
      const { code, json } = await run('sessions', 'revoke', one.sessionId, '--json');
      expect({ code, json }).toEqual({ code: 0, json: { sessionId: one.sessionId, revoked: true } });

      await expectRefusedSoon(one.accessToken);
      expect(await refusals(one.refreshToken)).toBe('token_revoked');
      expect((await app.get('/auth/me', two.accessToken)).status).toBe(200);
      const [row] = await app.query('SELECT revoked_reason FROM sessions WHERE id = $1', [one.sessionId]);
      expect(row.revoked_reason).toBe('admin_action');
      const [record] = (await app.events({ sessionId: one.sessionId })).filter(
        ({ type }) => type === 'auth.session.revoked.v1',
      );
      expect(record).toMatchObject({
        reason: 'admin_action',
        user_agent: expect.stringMatching(/^ratchet command line \(\S+@\S+\)$/),
      });
    });

    it('is content with one that is over, and fails for one that nobody knows', async () => {
      const { one } = await signedIn();
      await app.post('/auth/logout', { refreshToken: one.refreshToken });
      const [over, unknown] = await Promise.all([
        run('sessions', 'revoke', one.sessionId),
        run('sessions', 'revoke', NOBODY),
      ]);
      expect(over).toMatchObject({ code: 0, stdout: `Session ${one.sessionId} has ended.\n` });
      expectFailure(unknown, 1, /There is no session/);
    });

    it('--user ends all sessions of a user, and tells how many', async () => {
      const { id, email, one, two } = await signedIn();
      const { json } = await run('sessions', 'revoke', '--user', email, '--json');
      expect(json).toEqual({ userId: id, revokedSessions: 2 });
      await Promise.all([expectRefusedSoon(one.accessToken), expectRefusedSoon(two.accessToken)]);
    });
  });

  describe('users', () => {
    it('rotate refuses the tokens of one user, and keeps the reason', async () => {
      const { id, one } = await signedIn();
      const { json } = await run('users', 'rotate', id, '--reason', 'a lost laptop', '--json');
      expect(json).toEqual({ userId: id, previousVersion: 1, newVersion: 2 });
      await expectRefusedSoon(one.accessToken);
      expect(await refusals(one.refreshToken)).toBe('token_version_rejected');
      const told = await app.events({ userId: id });
      expect(told.find(({ type }) => type === 'auth.user_rotation.attempted.v1').details).toEqual({
        cause: 'a lost laptop',
      });
    });

    it('deactivate ends what a user holds, and lets nobody sign in', async () => {
      const { id, email, password, one } = await signedIn();
      const { code, json } = await run('users', 'deactivate', email, '--json');
      expect({ code, json }).toEqual({ code: 0, json: { userId: id, isActive: false } });
      await expectRefusedSoon(one.accessToken);
      expect((await app.logIn({ email, password })).status).toBe(401);
    });

    it('fails for a user whom nobody knows, and for the last administrator', async () => {
      const [rotated, deactivated, last] = await Promise.all([
        run('users', 'rotate', NOBODY, '--reason', 'none'),
        run('users', 'deactivate', NOBODY),
        run('users', 'deactivate', ADMIN.email),
      ]);
      expectFailure(rotated, 1, /no such user/);
      expectFailure(deactivated, 1, /no such user/);
      expectFailure(last, 1, /last active administrator/);
      expect((await app.logIn(ADMIN)).status).toBe(200);
    });
  });

  describe('rotate', () => {
    // Seen red with the trigger in place of the preview.
    it('--dry-run tells what the rotation then does, and changes nothing', async () => {
      await signedIn();
      const args = ['rotate', '--mode', 'drain', '--grace', '10m', '--reason', 'a leaked log', '--json'];
      const before = await everything();
      const { code, json: dry } = await run(...args, '--dry-run');
      expect(await everything()).toEqual(before);
      expect(code).toBe(0);

      const { json } = await run(...args, '--expected-version', String(dry.previousVersion));
      const { previousVersion, newVersion, sessionsAffected } = json;
      expect(dry).toEqual({
        dryRun: true,
        mode: 'drain',
        previousVersion,
        newVersion,
        gracePeriodSeconds: 600,
        sessionsAffected,
        sessionsBehind: expect.any(Number),
      });
      expect(sessionsAffected).toBeGreaterThanOrEqual(2);
      const [policy] = await app.query('SELECT * FROM security_policy');
      expect(policy).toMatchObject({
        global_min_token_version: newVersion,
        rotation_mode: 'drain',
        last_rotation_reason: 'a leaked log',
      });
      // The two are read from the clock one after the other.
      expect(Math.round((policy.grace_ends_at - policy.last_rotation_at) / 60_000)).toBe(10);
      expect(json.graceEndsAt).toBe(policy.grace_ends_at.toISOString());
    });

    it('refuses at once in mode immediate, and only from the version that is expected', async () => {
      const { one } = await signedIn();
      const args = ['rotate', '--mode', 'immediate', '--reason', 'a test'];
      const before = await everything();
      const outdated = [...args, '--expected-version', '2147483647'];
      const [real, dry] = await Promise.all([run(...outdated, '--dry-run'), run(...outdated)]);
      for (const outcome of [real, dry]) expectFailure(outcome, 1, /somebody has rotated already/);
      expect((await everything())[0]).toMatchObject({ policy: before[0].policy, sessions: before[0].sessions });

      const { stdout } = await run(...args);
      expect(stdout).toMatch(
        /^version {5}\d+ -> \d+\nmode {8}immediate\ngrace ends {2}no grace\nsessions {4}[\d,]+ affected\n$/,
      );
      await expectRefusedSoon(one.accessToken);
    });
  });

  describe('audit tail', () => {
    it('prints the latest events, oldest first, and with --json one a line', async () => {
      const { one } = await signedIn();
      await app.refresh(one.refreshToken);
      const [text, json, typed] = await Promise.all([
        run('audit', 'tail', '-n', '2'),
        run('audit', 'tail', '-n', '2', '--json'),
        run('audit', 'tail', '-n', '1', '--type', 'auth.login.succeeded.v1', '--json'),
      ]);
      const refresh = ['auth.token_refresh.attempted.v1', 'auth.token_refresh.succeeded.v1'];
      const events = json.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(events.map(({ type }) => type)).toEqual(refresh);
      expect(events[1]).toEqual({
        id: expect.any(String),
        type: 'auth.token_refresh.succeeded.v1',
        occurredAt: expect.stringMatching(/Z$/),
        attemptId: expect.any(String),
        userId: expect.any(String),
        sessionId: one.sessionId,
        generation: 1,
        ipAddress: '127.0.0.1',
        userAgent: 'node',
        outcome: 'succeeded',
        reason: null,
        details: {},
      });
      for (const type of refresh) expect(text.stdout).toContain(`  ${type}  user=`);
      expect(text.stdout).toContain(`session=${one.sessionId}  generation=1  ip=127.0.0.1  agent=node\n`);
      expect(typed.json).toMatchObject({ type: 'auth.login.succeeded.v1' });
    });

    it('lets no text of others steer the terminal', async () => {
      const { id } = await app.register();
      await app.app.get(CommandBus).execute(new TriggerUserTokenRotationCommand(id, 'a breach'));
      // As an older version, or another writer, has stored it: the rule of reasons refuses it now.
      await app.query(
        `UPDATE auth_events SET details = jsonb_set(details, '{cause}', to_jsonb($2::text)) WHERE user_id = $1 AND details ? 'cause'`,
        [id, 'up\u001b[2A\u009b1mand\u202eover'],
      );
      const { stdout } = await run('audit', 'tail', '-n', '2');
      expect(stdout).toContain('cause=up\uFFFD[2A\uFFFD1mand\uFFFDover');
    });

    it('--follow goes on with what comes, each event once, until it is interrupted', async () => {
      const { one } = await signedIn();
      const child = start('src/cli/main.ts', ['audit', 'tail', '--follow', '-n', '1', '--json'], env, '/');
      const outcome = finished(child);
      let lines: Json[] = [];
      const told = async (count: number) => {
        while (lines.length < count) {
          const [text] = (await once(child.stdout, 'data')) as [string];
          lines = [
            ...lines,
            ...text
              .trimEnd()
              .split('\n')
              .map((line) => JSON.parse(line)),
          ];
        }
      };
      await told(1);
      const second = (await app.refresh(one.refreshToken)).body;
      await told(3);
      await app.refresh(second.refreshToken);
      await told(5);
      child.kill('SIGINT');

      expect(await outcome).toMatchObject({ code: 130, stderr: 'ratchet: Interrupted\n' });
      expect(lines.map(({ type, generation }) => [type, generation])).toEqual([
        ['auth.login.succeeded.v1', 0],
        ['auth.token_refresh.attempted.v1', 0],
        ['auth.token_refresh.succeeded.v1', 1],
        ['auth.token_refresh.attempted.v1', 1],
        ['auth.token_refresh.succeeded.v1', 2],
      ]);
    });
  });

  describe('clean', () => {
    // Seen red with a dry run that deletes.
    it('counts in a dry run, and then deletes as many at a rate that it tells', async () => {
      await app.query(
        `INSERT INTO sessions (id, user_id, generation, token_hash, key_id, token_version, global_version_at_issuance, delivery,
                               created_at, last_used_at, expires_at, absolute_expires_at, user_agent)
         SELECT gen_random_uuid(), gen_random_uuid(), 0, decode(repeat('00', 32), 'hex'), 0, 1, 1, 'body',
                now() - interval '90 days', now() - interval '90 days', now() - interval '61 days', now() - interval '60 days', 'Old'
           FROM generate_series(1, 1500)`,
      );
      const before = await everything();
      const dry = await run('clean', '--dry-run', '--json');
      expect(dry.json).toEqual({
        dryRun: true,
        markedSessions: 0,
        evictedSessions: 0,
        sessions: 1500,
        revocations: 0,
        auditPartitions: 0,
        auditRows: 0,
        failures: [],
      });
      expect(await everything()).toEqual(before);

      const { stdout, code } = await run('clean');
      expect(code).toBe(0);
      expect(stdout).toMatch(
        /^sessions +1,500\nrevocations +0\naudit partitions +0\naudit rows +0\nended sessions, marked +\d+\nsessions above the limit, ended +0\n1,500 rows deleted in \d+\.\d\d s: [\d,]+ rows per second\n$/,
      );
      const { json } = await run('clean', '--json');
      expect(json).toMatchObject({ dryRun: false, sessions: 0, rowsPerSecond: 0, seconds: expect.any(Number) });
    });
  });

  describe('after-failover', () => {
    const until = async () => (await app.query('SELECT recovery_until FROM security_policy'))[0].recovery_until;

    it('opens a recovery epoch of a day, moves its end, and ends it', async () => {
      const before = Date.now();
      const { code, stdout } = await run('after-failover', '--reason', 'db1 failed');
      expect(code).toBe(0);
      expect(stdout).toMatch(/^recovery until {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ\n$/);
      expect((await until()).getTime() - before).toBeGreaterThan(86_000_000);

      const moved = await run('after-failover', '--reason', 'db1 failed', '--for', '7d', '--json');
      expect(moved.json).toEqual({ recoveryUntil: (await until()).toISOString() });
      expect((await until()).getTime() - before).toBeGreaterThan(604_000_000);
      await run('after-failover', '--reason', 'all are back', '--for', '0');
      expect((await until()).getTime() - before).toBeLessThan(604_000_000);
      const [event] = await app.query(
        `SELECT user_agent, details FROM auth_events WHERE type = 'auth.recovery.attempted.v1' ORDER BY occurred_at DESC, id DESC LIMIT 1`,
      );
      expect(event).toMatchObject({ details: { cause: 'all are back', forSeconds: 0 } });
      expect(event.user_agent).toMatch(/^ratchet command line/);
    });

    it.each([
      ['no reason', []],
      ['an empty reason', ['--reason', ' ']],
      ['more than 7 days', ['--reason', 'a test', '--for', '8d']],
      ['a time without a unit', ['--reason', 'a test', '--for', '24']],
    ])('refuses %s, and changes nothing', async (_what, given) => {
      const before = await everything();
      expect(await run('after-failover', ...given)).toMatchObject({ code: 2, stdout: '' });
      expect(await everything()).toEqual(before);
    });
  });

  describe('after-restore', () => {
    it('changes nothing unless the answer is yes', async () => {
      const before = await everything();
      const [no, nothing] = await Promise.all([
        ratchet(['after-restore'], env, { input: 'no\n' }),
        ratchet(['after-restore'], env),
      ]);
      for (const { code, stdout, stderr } of [no, nothing]) {
        expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
        expect(stderr).toMatch(/Type yes to continue: ratchet: Nothing has been changed\n$/);
      }
      expect(await everything()).toEqual(before);
    });

    it('ends everything, asked or with --yes, and leaps in versions', async () => {
      const { one } = await signedIn();
      const { json } = await ratchet(['after-restore', '--json'], env, { input: 'yes\n' });
      expect(json).toEqual({
        previousVersion: expect.any(Number),
        newVersion: Number(json.previousVersion) + 1000,
        revokedSessions: expect.any(Number),
      });
      expect(json.revokedSessions).toBeGreaterThanOrEqual(2);
      await expectRefusedSoon(one.accessToken);
      expect((await run('after-restore', '--yes', '--json')).json.revokedSessions).toBe(0);
    });
  });
});

describe('ratchet, without an application,', () => {
  it('does nothing that a server does at its start: no account, no migration, no port', async () => {
    const database = await freshDatabase();
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    try {
      const outcome = await ratchet(['sessions', 'list', uuidv7(), '--json'], {
        ...settings(database.url),
        HOST: '127.0.0.1',
        METRICS_PORT: String((taken.address() as AddressInfo).port),
        BOOTSTRAP_ADMIN_EMAIL: ADMIN.email,
        BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password,
      });
      expect(outcome).toMatchObject({ code: 0, stdout: '[]\n', stderr: '' });
      const dataSource = await database.connect(1);
      expect(await dataSource.query('SELECT FROM users')).toEqual([]);
    } finally {
      taken.close();
      await database.close();
    }
  });
});
