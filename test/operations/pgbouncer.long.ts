import { spawnApplication } from '../support/app/child-application';
import { ADMIN, startTestApplication, type TestApplication } from '../support/app/test-application';
import { freshDatabase, type TestDatabase, urlOf } from '../support/database/test-database';
import { describeWithPgBouncer, type PgBouncer, startPgBouncer } from '../support/database/pgbouncer';
import { ratchet, settings } from '../cli/ratchet';

const STATEMENTS = expect.stringMatching(
  /^The database: named prepared statements go through a pooler, .*: set preparedStatements: false/,
);
const LISTEN = expect.stringMatching(/^Revocations: LISTEN goes through a pooler, .*: set listenUrl/);

describeWithPgBouncer('behind a PgBouncer that pools transactions', () => {
  let database: TestDatabase;
  const closers: (() => Promise<unknown>)[] = [];
  beforeEach(async () => {
    database = await freshDatabase();
    closers.push(() => database.close());
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function pool(options?: Parameters<typeof startPgBouncer>[1]): Promise<PgBouncer> {
    const pooler = await startPgBouncer(urlOf(), options);
    closers.push(() => pooler.stop());
    return pooler;
  }

  async function start(url: string, env: Readonly<Record<string, string>>): Promise<TestApplication> {
    const application = await startTestApplication({
      database: { ...database, url },
      env: { LOG_LEVEL: 'warn', ...env },
    });
    closers.push(application.close);
    return application;
  }

  const warningsOf = ({ log }: TestApplication) => log.map(({ msg }) => msg);

  // Seen red, as those below, when no connection counts as pooled.
  it('the start and `doctor` name what a forgotten setting breaks, and what to set', async () => {
    const pooler = await pool();
    const url = pooler.urlOf(database.url);
    expect(warningsOf(await start(url, {}))).toEqual(expect.arrayContaining([STATEMENTS, LISTEN]));
    const { json, code } = await ratchet(['doctor', '--json'], { ...settings(url), MIGRATE_ON_START: 'false' });
    expect(code).toBe(0);
    expect(json.checks).toContainEqual({
      check: 'pooler',
      status: 'warn',
      message: expect.stringMatching(/DATABASE_PREPARED_STATEMENTS=false.*; LISTEN .*DATABASE_LISTEN_URL/),
    });
  });

  it.each([
    ['LISTEN that goes past it', { DATABASE_LISTEN_URL: 'past' }],
    ['no LISTEN', { REVOCATION_NOTIFY: 'none' }],
  ])('neither warns with the settings of docs/operations.md and %s', async (_how, given: Record<string, string>) => {
    const pooler = await pool();
    const url = pooler.urlOf(database.url);
    const env: Record<string, string> = { DATABASE_PREPARED_STATEMENTS: 'false', ...given };
    if (env['DATABASE_LISTEN_URL'] !== undefined) env['DATABASE_LISTEN_URL'] = database.url;
    const application = await start(url, env);
    expect(warningsOf(application)).toEqual([]);
    expect((await application.logIn(ADMIN)).status).toBe(200);
    const { json } = await ratchet(['doctor', '--json'], { ...settings(url), ...env });
    expect(json.checks).toContainEqual({
      check: 'pooler',
      status: 'ok',
      message: 'one, which the settings allow for',
    });
  });

  it('a DATABASE_LISTEN_URL that goes through it as well is named', async () => {
    const pooler = await pool();
    const env = { DATABASE_PREPARED_STATEMENTS: 'false', DATABASE_LISTEN_URL: pooler.urlOf(database.url) };
    expect(warningsOf(await start(database.url, env))).toEqual([LISTEN]);
  });

  it('without ignore_startup_parameters, the start and `doctor` say what to set there', async () => {
    const pooler = await pool({ ignored: '' });
    const url = pooler.urlOf(database.url);
    const said =
      /unsupported startup parameter: \w+: set ignore_startup_parameters = statement_timeout,.* in PgBouncer/;
    const { json, code } = await ratchet(['doctor', '--json'], settings(url));
    expect(code).toBe(1);
    expect(json.checks).toContainEqual({ check: 'database', status: 'fail', message: expect.stringMatching(said) });
    const { output, exited } = spawnApplication('/', settings(url));
    expect(await exited).toBe(1);
    expect(output.stderr).toMatch(new RegExp(`^Ratchet stopped: ${said.source}\n$`));
  });
});
