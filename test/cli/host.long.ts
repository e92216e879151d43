import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { authSchema } from '../../src';
import { HostUserDirectory } from '../../src/cli/host-user.directory';
import { dataSourceOptions } from '../../src/postgres/data-source';
import { newSession, onPostgres } from '../ports/adapters';
import { administer, urlOf } from '../support/database/test-database';
import { type Env, expectFailure, finished, type Outcome } from './ratchet';

// Seen red with the application's users loaded at once, and with a host's table `users` taken for the application's.
describe("the built ratchet, in a host with auth's tables alone and without the application's packages,", () => {
  const name = `host_${randomUUID()}`;
  let dataSource: DataSource;

  beforeAll(async () => {
    await administer(`CREATE DATABASE "${name}"`);
    const { entities, migrations } = authSchema();
    const schema = { entities: [...entities], migrations: [...migrations] };
    const options = dataSourceOptions({ url: urlOf(name), poolSize: 2, migrateOnStart: false }, schema);
    dataSource = await new DataSource(options).initialize();
    await dataSource.runMigrations();
    // As any host may have it; it is not the application's.
    await dataSource.query('CREATE TABLE users (id integer PRIMARY KEY)');
    await dataSource.query(
      `INSERT INTO migrations (timestamp, name) VALUES (1780000000000, 'CreatePeople1780000000000')`,
    );
  });
  afterAll(async () => {
    await dataSource.destroy();
    await administer(`DROP DATABASE "${name}" WITH (FORCE)`);
  });

  /** With what a host sets, and not with our names: no keys, and the rules of production. */
  function run(args: readonly string[], env: Env = { DATABASE_URL: urlOf(name) }): Promise<Outcome> {
    const NODE_OPTIONS = `--require=${resolve('test/cli/forbidden.cjs')}`;
    const child = spawn(process.execPath, [resolve('bin/ratchet.cjs'), ...args], {
      cwd: '/',
      env: { PATH: process.env.PATH, NODE_OPTIONS, NODE_ENV: 'production', ...env },
    });
    return finished(child);
  }

  async function session(userId = uuidv7()) {
    const opened = newSession({ userId, keyId: 3 });
    await onPostgres(dataSource, {}, new HostUserDirectory()).sessions.open(opened);
    return opened;
  }

  it('lists and ends the sessions of a user', async () => {
    const { id, userId } = await session();
    const list = await run(['sessions', 'list', userId, '--json']);
    expect(list).toMatchObject({ code: 0, stderr: '' });
    expect(list.json).toEqual([expect.objectContaining({ id })]);
    expect(await run(['sessions', 'revoke', id])).toMatchObject({ code: 0, stdout: `Session ${id} has ended.\n` });
    await session(userId);
    const all = await run(['sessions', 'revoke', '--user', userId, '--json']);
    expect(all.json).toEqual({ userId, revokedSessions: 1 });
  });

  it('accepts any id as a user of the host; for e-mails and changes of users the error refers to the host', async () => {
    const userId = uuidv7();
    const [rotated, deactivated, byEmail] = await Promise.all([
      run(['users', 'rotate', userId, '--reason', 'a lost laptop', '--json']),
      run(['users', 'deactivate', userId]),
      run(['sessions', 'list', 'ann@example.com']),
    ]);
    expect(rotated.json).toEqual({ userId, previousVersion: 1, newVersion: 2 });
    expectFailure(deactivated, 1, /deactivate the user there/);
    expectFailure(byEmail, 1, /give the id/);
  });

  it('rotates, cleans, recovers and prints the audit trail', async () => {
    await session();
    const rotated = await run(['rotate', '--mode', 'immediate', '--reason', 'a test', '--json']);
    expect(rotated.json).toMatchObject({ previousVersion: 1, newVersion: 2 });
    const trail = await run(['audit', 'tail', '--type', 'auth.global_rotation.succeeded.v1', '--json']);
    expect(trail.json).toMatchObject({
      outcome: 'succeeded',
      userAgent: expect.stringMatching(/^ratchet command line/),
    });
    expect(await run(['clean', '--json'])).toMatchObject({ code: 0, stderr: '' });
    expect((await run(['after-restore', '--yes', '--json'])).json).toMatchObject({ previousVersion: 2 });
  });

  it('is examined by doctor, which asks for no setting of the application', async () => {
    await session();
    const { code, json } = await run(['doctor', '--json']);
    expect({ code, healthy: json.healthy }).toEqual({ code: 0, healthy: true });
    const told = Object.fromEntries(
      json.checks.map(({ check, message }: Record<string, string>) => [check, message] as const),
    ) as Record<string, string>;
    expect(told).toMatchObject({
      migrations: `${authSchema().migrations.length} applied, none pending`,
      application: 'another one, whose users are known by id alone',
      'access keys': 'not configured here',
      'refresh keys': 'not configured here; needed are 3 (1 live sessions)',
    });
  });

  it('makes keys without a database', async () => {
    expect(await run(['keys', 'generate'], {})).toMatchObject({ code: 0, stderr: '' });
  });

  it('logs to standard error with --verbose, and prints data alone', async () => {
    const { code, stdout, stderr } = await run(['sessions', 'list', uuidv7(), '--json', '--verbose']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '[]\n' });
    expect(stderr).toContain('AuthModule dependencies initialized');
  });
});
