import { CommandBus } from '@nestjs/cqrs';
import { CleanUpSessionsCommand, authSchema } from '../../src';
import { RevocationFeed } from '../../src/guard';
import { ADMIN, startTestApplication, type TestApplication } from '../support/app/test-application';
import { freshDatabase, SCHEMA, type TestDatabase } from '../support/database/test-database';

// The connections find the schema `ratchet` first, so a statement without the name of the schema is seen there. Seen red with
// such a one in the feed, in the session repository, in the partitions, and in a trigger's function.
describe('an application in a schema of another name', () => {
  let database: TestDatabase;
  let first: TestApplication;
  let second: TestApplication;
  beforeAll(async () => {
    database = await freshDatabase();
    first = await startTestApplication({ database });
    second = await startTestApplication({
      database,
      env: { DATABASE_SCHEMA: 'user', MIGRATE_ON_START: 'true', MAX_SESSIONS_PER_USER: '3' },
    });
  });
  afterAll(async () => {
    await second.close();
    await first.close();
    await database.close();
  });

  const contents = () =>
    first.query(`
      SELECT (SELECT json_agg(t) FROM ratchet.sessions t) AS sessions, (SELECT count(*) FROM ratchet.auth_events) AS events,
             (SELECT json_agg(t) FROM ratchet.security_policy t) AS policy, (SELECT json_agg(t) FROM ratchet.users t) AS users,
             (SELECT json_agg(t) FROM ratchet.user_token_versions t) AS floors,
             (SELECT count(*) FROM ratchet.revocations) AS revocations,
             (SELECT json_agg(t) FROM ratchet.first_admin t) AS "firstAdmin"`);

  it('lives beside the other, and neither sees anything of it', async () => {
    const { body: mine } = await first.logIn(await first.register());
    const before = await contents();

    const admin = (await second.logIn(ADMIN)).body.accessToken;
    const account = await second.register();
    const password = 'another long passphrase';
    const { body: pair } = await second.logIn(account);
    const { body: next } = await second.refresh(pair.refreshToken);
    expect((await second.refresh(pair.refreshToken)).body.refreshToken).toBe(next.refreshToken);
    for (let more = 0; more < 3; more++) await second.logIn(account); // evicts
    const changed = await second.request('POST', '/auth/password', {
      body: { currentPassword: account.password, newPassword: password },
      bearer: (await second.logIn(account)).body.accessToken,
    });
    expect(changed.status).toBe(200);
    const told = [
      await second.get('/auth/sessions', changed.body.accessToken),
      await second.get('/admin/security', admin),
      await second.get('/admin/audit-events', admin),
      await second.get('/health/ready'),
      await second.request('POST', `/admin/users/${account.id}/rotations`, { body: { reason: 'test' }, bearer: admin }),
      await second.request('PATCH', `/admin/users/${account.id}`, { body: { isActive: false }, bearer: admin }),
      await second.request('DELETE', `/admin/users/${account.id}/sessions`, { bearer: admin }),
      await second.request('PATCH', '/admin/security', { body: { gracePeriodSeconds: 60 }, bearer: admin }),
      await second.request('POST', '/admin/security/rotations', { body: { reason: 'test' }, bearer: admin }),
    ];
    expect(told.map(({ status }) => status)).toEqual([200, 200, 200, 200, 201, 200, 200, 200, 201]);
    await second.query(
      `INSERT INTO "user".sessions (id, user_id, token_hash, key_id, token_version, global_version_at_issuance, delivery,
                                    expires_at, absolute_expires_at, user_agent)
       VALUES (gen_random_uuid(), 'ann', '', 0, 1, 1, 'body', '2020-01-01', '2020-01-01', 'test')`,
    );
    expect(await second.app.get(CommandBus).execute(new CleanUpSessionsCommand())).toMatchObject({ sessions: 1 });
    // The first one's version is still 1, and none of its sessions has ended.
    const { policy, revocations } = await second.app.get(RevocationFeed).read(null);
    expect(policy.globalMinTokenVersion).toBe(2);
    expect(revocations.map(({ kind }) => kind)).toContain('user');
    expect((await second.get('/metrics')).body).toMatch(/^ratchet_active_sessions \d/m);

    expect(await second.query('SELECT FROM "user".first_admin')).toHaveLength(1);
    expect(await contents()).toEqual(before);
    expect((await first.get('/auth/me', mine.accessToken)).status).toBe(200);
  });

  it('has everything in it: the tables, the partitions, the functions and the table of migrations', async () => {
    const outside = await first.query(
      `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
       UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace`,
    );
    expect(outside).toEqual([]);
    const namesIn = async (schema: string) => {
      const rows = await first.query<{ name: string }>(
        `SELECT relname AS name FROM pg_class WHERE relnamespace = quote_ident($1)::regnamespace AND relkind <> 'i'
         UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = quote_ident($1)::regnamespace ORDER BY 1`,
        [schema],
      );
      return rows.map(({ name }) => name);
    };
    expect(await namesIn('user')).toEqual(await namesIn(SCHEMA));
    const migrations = await first.query<{ name: string }>('SELECT name FROM "user".migrations ORDER BY 1');
    expect(migrations.map(({ name }) => name)).toEqual([
      'Ratchet_user_Baseline1763683200000',
      'Ratchet_user_Users1763683300000',
    ]);
  });
});

it.each(['', 'Ratchet', '1st', 'pg_ratchet', 'a"b', 'a-b', 'a'.repeat(32)])('refuses the schema %j', (schema) => {
  expect(() => authSchema({ schema })).toThrow("The schema of auth's tables must be a schema name: ");
});

it('takes a name of 31 characters', () => {
  expect(authSchema({ schema: `_${'a'.repeat(30)}` }).entities).toHaveLength(4);
});
