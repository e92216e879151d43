import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { newSession, onPostgres } from '../ports/adapters';
import { administer, freshDatabase, type TestDatabase, urlOf } from '../support/database/test-database';
import { type Env, type Outcome, ratchet, settings } from './ratchet';

describe('ratchet doctor', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let env: Env;

  beforeEach(async () => {
    database = await freshDatabase();
    dataSource = await database.connect(1);
    env = settings(database.url);
  });
  afterEach(() => database.close());

  const examine = (changes: Env = {}) => ratchet(['doctor', '--json'], { ...env, ...changes });

  /** The lines that are not ok; a failing one makes the exit code 1, and only that. */
  function complaints({ code, json, stderr }: Outcome): string[] {
    const bad = json.checks.filter(({ status }: { status: string }) => status !== 'ok');
    const failed = bad.filter(({ status }: { status: string }) => status === 'fail').length;
    expect({ code, healthy: json.healthy }).toEqual({ code: failed > 0 ? 1 : 0, healthy: failed === 0 });
    expect(stderr).toBe(['', 'ratchet: A check has failed\n'][failed] ?? `ratchet: ${failed} checks have failed\n`);
    return bad.map(({ status, check, message }: Record<string, string>) => `${status} ${check}: ${message}`);
  }

  it('finds nothing wrong where nothing is, and says what it has looked at', async () => {
    await onPostgres(dataSource).sessions.open(newSession({ keyId: 0 }));
    // The servers of tests do not wait for the disk.
    const [{ off }] = await dataSource.query(
      `SELECT count(*)::integer AS off FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'`,
    );
    const outcome = await examine();
    expect(complaints(outcome)).toEqual(
      off > 0 ? [expect.stringMatching(/^warn database: .* fsync, full_page_writes off/)] : [],
    );
    expect(outcome.json.checks.map(({ check }: { check: string }) => check)).toEqual([
      'configuration',
      'access keys',
      'redis',
      'database',
      'pooler',
      'standbys',
      'migrations',
      'tables',
      'application',
      'clock',
      'pool',
      'refresh keys',
      'audit trail',
    ]);
    expect(outcome.json.checks.at(-1).message).toBe('no partitions yet');
    expect(outcome.json.checks.at(-2).message).toMatch(/^0 issues \(1 live sessions, since .*Z or before\)$/);

    const { stdout, code } = await ratchet(['doctor'], env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok {4,}configuration {2}test; what is set is usable\n/);
  });

  it('names every problem of the configuration, and nothing that it holds', async () => {
    const outcome = await examine({ ACCESS_TOKEN_KEYS: 'k1:change-me', DATABASE_POOL_SIZE: 'many' });
    expect(complaints(outcome)).toEqual([
      expect.stringMatching(/^fail configuration: DATABASE_POOL_SIZE must be a whole number/),
      'fail configuration: ACCESS_TOKEN_KEYS still holds the placeholder of .env.example',
      expect.stringMatching(/^warn everything else: not checked/),
    ]);
  });

  it('knows the demands of production where the application has its users, and goes on', async () => {
    const { code, json } = await examine({ NODE_ENV: 'production', BCRYPT_COST: '4' });
    expect(code).toBe(1);
    const found = json.checks.find(({ check }: { check: string }) => check === 'application');
    expect(found).toMatchObject({
      status: 'fail',
      message: expect.stringMatching(/PUBLIC_ORIGIN is required.*; BCRYPT_COST must be at least 10 in production$/),
    });
    expect(json.checks.at(-1).check).toBe('audit trail');
  });

  it('tells which refresh keys live sessions need', async () => {
    await onPostgres(dataSource).sessions.open(newSession({ keyId: 7 }));
    await onPostgres(dataSource).sessions.open(newSession({ keyId: 7 }));
    expect(complaints(await examine())).toContain(
      'fail refresh keys: the ring lacks 7 (2 live sessions): these sessions cannot be refreshed',
    );
  });

  it('tells the age of an access key by its id, and when it is time for a new one', async () => {
    const ring = `2001-02-03-cafe:${'k'.repeat(43)}=,old:${'o'.repeat(43)}=`;
    expect(complaints(await examine({ ACCESS_TOKEN_KEYS: ring }))).toContainEqual(
      expect.stringMatching(
        /^warn access keys: 2001-02-03-cafe \(HS256\) signs, [\d,]+ days old; old \(HS256\) verifies; time for a new one$/,
      ),
    );
  });

  it('shows what of the ring is weak, twice there, or a secret that has been replaced', async () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const base64 = (bytes: string | Buffer) => Buffer.from(bytes).toString('base64');
    const pem = base64(rsa.export({ type: 'pkcs8', format: 'pem' }));
    const spki = base64(createPublicKey(rsa).export({ type: 'spki', format: 'der' }));
    const ring = `rsa:${pem},twin:${spki},old:${'o'.repeat(43)}=`;
    expect(complaints(await examine({ ACCESS_TOKEN_KEYS: ring }))).toContain(
      'warn access keys: rsa (RS256) signs, of unknown age; twin (RS256) verifies; old (HS256) verifies; ' +
        'rsa has 2048 bits, which are enough until 2030; rsa and twin are the same key: to remove one changes nothing; ' +
        'twin has 2048 bits, which are enough until 2030; ' +
        'old is a secret, by which its holders can still sign: remove it when its tokens have expired',
    );
  });

  it('fails for a ring whose first key only verifies', async () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const ring = `pub:${publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`;
    expect(complaints(await examine({ ACCESS_TOKEN_KEYS: ring }))).toContain(
      'fail configuration: ACCESS_TOKEN_KEYS must be usable: pub is a public key, which only verifies: it must not be first',
    );
  });

  it('finds a crowd without a partition, and tables that are one no more', async () => {
    await dataSource.query(`
      CREATE TABLE auth_events_2020_01_01 PARTITION OF auth_events FOR VALUES FROM ('2020-01-01T00:00Z') TO ('2020-02-01T00:00Z')`);
    await dataSource.query('CREATE TABLE auth_events_2019_01_01 (LIKE auth_events)');
    await dataSource.query('CREATE TABLE auth_events_2018_01_01 (LIKE auth_events)');
    await dataSource.query(
      `COMMENT ON TABLE auth_events_2018_01_01 IS 'ratchet: past its retention and detached, to be dropped'`,
    );
    const insert = (count: number, at: string) =>
      dataSource.query(`INSERT INTO auth_events (id, type, occurred_at, user_agent, outcome)
        SELECT gen_random_uuid(), 'a.test.v1', '${at}', 'agent', 'failed' FROM generate_series(1, ${count})`);
    await insert(10_000, '2019-12-31T23:59:59Z');
    await insert(10_001, '2020-02-01T00:00:00Z');
    await insert(10_001, '2020-01-01T00:00:00Z');
    const outcome = await examine({ AUDIT_PARTITION: 'external', AUDIT_RETENTION: '1d' });
    expect(complaints(outcome)).toContain(
      'warn audit trail: more than 10,000 events from 2020-02-01 00:00:00Z have no partition and stay in DEFAULT: see docs/operations.md; ' +
        'ratchet.auth_events_2018_01_01 is past retention and detached: the next clean-up drops it; ' +
        'ratchet.auth_events_2019_01_01 is not attached: attach it again, or rename or drop it; ' +
        'AUDIT_RETENTION has no effect with AUDIT_PARTITION=external',
    );
  });

  it('measures the clock against that of the database', async () => {
    await dataSource.query(`
      CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
      AS $$ SELECT pg_catalog.clock_timestamp() - interval '1 hour' $$`);
    await dataSource.query(
      `ALTER DATABASE "${new URL(database.url).pathname.slice(1)}" SET search_path = public, pg_catalog`,
    );
    expect(complaints(await examine())).toContainEqual(
      expect.stringMatching(/^fail clock: the database is 3,\d{3},\d{3} ms behind: synchronise the clocks$/),
    );
  });

  it('compares the pool with what the server allows', async () => {
    expect(complaints(await examine({ DATABASE_POOL_SIZE: '1000' }))).toContainEqual(
      expect.stringMatching(/^fail pool: a process may use 1001 connections; the server allows \d+, \d+ are in use$/),
    );
  });

  it('finds Redis and the database unreachable, both of them', async () => {
    const outcome = await examine({
      REDIS_URL: 'redis://:a-secret-password@127.0.0.1:1',
      DATABASE_URL: 'postgres://ratchet:a-secret-password@127.0.0.1:1/ratchet',
    });
    expect(complaints(outcome)).toEqual([
      expect.stringMatching(/^fail redis: .*ECONNREFUSED/),
      expect.stringMatching(/^fail database: .*ECONNREFUSED/),
    ]);
    expect(outcome.stdout).not.toContain('a-secret-password');
  });

  it('finds migrations that are pending, and runs none', async () => {
    const name = `empty_${new URL(database.url).pathname.slice(-12)}`;
    await administer(`CREATE DATABASE "${name}"`);
    try {
      const outcome = await examine({ DATABASE_URL: urlOf(name) });
      expect(complaints(outcome)).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/^fail migrations: \d+ pending: Ratchet_ratchet_Baseline/),
          expect.stringMatching(
            /^fail tables: the schema ratchet lacks sessions, .*: run the migrations of authSchema\(\)$/,
          ),
          expect.stringMatching(/^fail refresh keys: relation "ratchet.sessions" does not exist$/),
        ]),
      );
      const again = await examine({ DATABASE_URL: urlOf(name) });
      expect(complaints(again)).toHaveLength(complaints(outcome).length);
    } finally {
      await administer(`DROP DATABASE "${name}" WITH (FORCE)`);
    }
  });
});
