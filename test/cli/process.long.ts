import type { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config';
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres';
import { administer, freshDatabase, urlOf } from '../support/database/test-database';
import { expectFailure, finished, ratchet, settings, start } from './ratchet';

const NOWHERE = 'postgres://ratchet:a-secret-password@127.0.0.1:1/ratchet';

describe('ratchet', () => {
  it('helps, and ends with 0 for whoever asks and with 2 for whoever does not', async () => {
    const [asked, nothing, version] = await Promise.all([
      ratchet(['rotate', '--help'], {}),
      ratchet([], {}),
      ratchet(['--version'], {}),
    ]);
    expect(asked).toMatchObject({ code: 0, stdout: expect.stringContaining('--expected-version <n>'), stderr: '' });
    expect(nothing).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Usage: ratchet') });
    expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  const rotate = (...args: string[]) => ['rotate', '--reason', 'a test', ...args];
  it.each([
    [['sesions'], /unknown command 'sesions'/],
    [['sessions', 'list', ''], /'' is invalid.* It must be an e-mail or an id, which must have 1 to 128 characters/],
    [['sessions', 'revoke'], /give either a session or --user/],
    [['sessions', 'revoke', '01980000-0000-7000-8000-000000000000', '--user', 'a@b.example'], /give either/],
    [['users', 'rotate', 'a@b.example', '--reason', 'a\u001b[31m'], /must be a string without control characters/],
    [rotate('--mode', 'immediate', '--grace', '5m'), /--grace must not be given in mode immediate/],
    [rotate('--mode', 'drain', '--grace', '31d'), /from 0s to 2592000s/],
    [['audit', 'tail', '-n', '-1'], /It must be a whole number/],
  ])('says what is wrong with %j, and ends with 2', async (args, message) => {
    expectFailure(await ratchet(args, {}), 2, message);
  });

  it('ends with 3 and every problem when the configuration is not usable', async () => {
    const broken = { DATABASE_POOL_SIZE: 'many', SESSION_RETENTION: '0' };
    const outcome = await ratchet(['clean'], { ...settings(NOWHERE), ...broken });
    expectFailure(outcome, 3, /DATABASE_POOL_SIZE must be .*; SESSION_RETENTION must be /);
  });

  it('ends with 4 when the database does not answer, at once and without its password', async () => {
    const outcome = await ratchet(['audit', 'tail'], settings(NOWHERE));
    expectFailure(outcome, 4, /The database cannot be used: .*ECONNREFUSED/);
    expect(outcome.stderr).not.toContain('a-secret-password');
  });

  it('ends with 4 when the database goes away under it', async () => {
    const database = await freshDatabase();
    const dataSource = await database.connect(1);
    await dataSource.query(
      `INSERT INTO auth_events (id, type, occurred_at, user_agent, outcome, details)
       VALUES (gen_random_uuid(), 'auth.login.failed.v1', now(), 'test', 'failed', '{}')`,
    );
    const child = start('src/cli/main.ts', ['audit', 'tail', '--follow'], settings(database.url), '/');
    const outcome = finished(child);
    await once(child.stdout, 'data');
    await database.close();
    expect(await outcome).toMatchObject({ code: 4, stderr: expect.stringMatching(/^ratchet: [^\n]+\n$/) });
  });

  it('migrates a database as the start of the application does, and then finds nothing to do', async () => {
    const name = `unmigrated_${process.pid}`;
    await administer(`CREATE DATABASE ${name}`);
    try {
      const env = settings(urlOf(name));
      // Two Jobs at once wait for each other.
      const [one, other] = await Promise.all([
        ratchet(['migrate', '--json'], env),
        ratchet(['migrate', '--json'], env),
      ]);
      expect([one.code, other.code]).toEqual([0, 0]);
      expect([...one.json.applied, ...other.json.applied]).toEqual([
        expect.stringMatching(/^Ratchet_ratchet_Baseline\d+$/),
        expect.stringMatching(/\d+$/),
      ]);
      expect(await ratchet(['migrate'], env)).toMatchObject({ code: 0, stdout: 'No migration is pending\n' });
      expect((await ratchet(['clean', '--dry-run'], env)).code).toBe(0);
    } finally {
      await administer(`DROP DATABASE ${name}`);
    }
  });

  it('refuses a database whose migrations are pending, and leaves it as it is', async () => {
    const name = `empty_${process.pid}`;
    await administer(`CREATE DATABASE ${name}`);
    try {
      const env = settings(urlOf(name));
      expectFailure(await ratchet(['clean'], env), 1, /lacks \d+ migrations/);
      expectFailure(await ratchet(['clean'], env), 1, /lacks \d+ migrations/);
    } finally {
      await administer(`DROP DATABASE ${name}`);
    }
  });

  it('generates entries that the configuration takes, without any configuration or database', async () => {
    const [both, access, refresh, text] = await Promise.all([
      ratchet(['keys', 'generate', '--json'], {}),
      ratchet(['keys', 'generate', '--access'], {}),
      ratchet(['keys', 'generate', '--refresh'], {}),
      ratchet(['keys', 'generate'], {}),
    ]);
    const { accessTokenKeys, refreshTokenKeys } = loadConfig({
      NODE_ENV: 'test',
      DATABASE_URL: NOWHERE,
      ACCESS_TOKEN_KEYS: `${both.json.ACCESS_TOKEN_KEYS},${access.stdout.trim()}`,
      REFRESH_TOKEN_KEYS: refresh.stdout.trim(),
    }).auth;
    expect(accessTokenKeys.map(({ privateKey }) => (privateKey as KeyObject).asymmetricKeyType)).toEqual(['ec', 'ec']);
    expect(accessTokenKeys[0]?.kid).toMatch(new RegExp(`^${new Date().toISOString().slice(0, 8)}`));
    expect(refreshTokenKeys).toHaveLength(1);
    expect([both, access, refresh, text].map(({ stderr }) => stderr)).toEqual(['', '', '', '']);
    expect(text.stdout).toMatch(/^ACCESS_TOKEN_KEYS=\S+:\S+\nREFRESH_TOKEN_KEYS=\d+:\S+\n$/);
  });

  it('generates an access-token key for each algorithm, and for no other', async () => {
    for (const [alg, found] of Object.entries({ ES256: 'ec', EdDSA: 'ed25519', RS256: 'rsa', HS256: undefined })) {
      const { stdout } = await ratchet(['keys', 'generate', '--access', '--alg', alg], {});
      const { accessTokenKeys } = loadConfig({
        NODE_ENV: 'test',
        DATABASE_URL: NOWHERE,
        ACCESS_TOKEN_KEYS: stdout.trim(),
        REFRESH_TOKEN_KEYS: `0:${Buffer.alloc(32).toString('base64')}`,
      }).auth;
      const [{ privateKey, secret } = {}] = accessTokenKeys;
      expect([alg, (privateKey as KeyObject | undefined)?.asymmetricKeyType, secret?.length]).toEqual([
        alg,
        found,
        found === undefined ? 32 : undefined,
      ]);
    }
    expectFailure(await ratchet(['keys', 'generate', '--alg', 'none'], {}), 2, /ES256, EdDSA, RS256, HS256/);
  });
});

describe('ratchet in development', () => {
  let cwd: string;
  const isUp = () => existsSync(join(cwd, '.data/pg/postmaster.pid'));

  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'ratchet-cli-'));
  });
  afterEach(async () => {
    // A process that failed may have left its server running.
    if (isUp()) await (await startEmbeddedPostgres({ dataDir: join(cwd, '.data/pg') })).stop();
    rmSync(cwd, { recursive: true });
  });

  it('makes no database where there is none', async () => {
    expectFailure(await ratchet(['clean'], {}, { cwd }), 4, /no database in \.data\/pg: npm run up creates it/);
    expect(existsSync(join(cwd, '.data/pg'))).toBe(false);
  });

  it('shares the server of the running application, and otherwise starts and stops it itself', async () => {
    const application = start('src/main.ts', [], { PORT: '0', LOG_LEVEL: 'error', BCRYPT_COST: '4' }, cwd);
    const closed = once(application, 'close');
    let output = '';
    while (!output.includes('running on')) output += String((await once(application.stdout, 'data'))[0]);

    const beside = await ratchet(['doctor', '--json'], {}, { cwd });
    expect(beside).toMatchObject({ code: 0, json: { healthy: true } });
    expect(isUp()).toBe(true);
    application.kill();
    await closed;
    expect(isUp()).toBe(false);

    const alone = await ratchet(['audit', 'tail', '--type', 'auth.user.registered.v1', '--json'], {}, { cwd });
    expect(alone.code).toBe(0);
    expect(alone.stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(isUp()).toBe(false);
  });
});
