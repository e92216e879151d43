import type { Command } from 'commander';
import { Client } from 'pg';
import { type DataSource, MigrationExecutor } from 'typeorm';
import { type CommandLineConfig, InvalidConfiguration, loadCommandLineConfig, loadConfig } from '../../config';
import { EMBEDDED_DATA } from '../../database/embedded-postgres';
import { accessKeys, type Finding, standbys, tables } from '../../findings';
import { type Database, openDatabase } from '../database';
import { Failure } from '../failure';
import { messageOf } from '../../support/message-of';
import {
  EventPartitions,
  isPooled,
  names,
  openRedis,
  POOLED_LISTEN,
  POOLED_STATEMENTS,
  TypeOrmUnitOfWork,
  withClient,
} from '../../index';
import { HostUserDirectory } from '../host-user.directory';
import type { Shell } from '../shell';
import { numberText, table, timeText } from '../text';

interface Check {
  readonly check: string;
  readonly status: Finding[0];
  readonly message: string;
}

export function doctor(program: Command, shell: Shell): void {
  program
    .command('doctor')
    .description('check the configuration, the database, Redis and the keys')
    .action(async () => {
      const checks = await shell.unlessInterrupted(() => examine(shell));
      const failed = checks.filter(({ status }) => status === 'fail').length;
      shell.print(
        { healthy: failed === 0, checks },
        table(checks.map(({ check, status, message }) => [status, check, message])),
      );
      if (failed > 0) throw new Failure(failed === 1 ? 'A check has failed' : `${failed} checks have failed`);
    });
}

async function examine(shell: Shell): Promise<Check[]> {
  const checks: Check[] = [];
  const check = async (name: string, look: () => Promise<Finding> | Finding): Promise<void> => {
    const [status, message] = await Promise.resolve()
      .then(look)
      .catch((error: unknown): Finding => ['fail', messageOf(error)]);
    checks.push({ check: name, status, message });
  };

  let config: CommandLineConfig;
  try {
    config = loadCommandLineConfig();
  } catch (error) {
    if (!(error instanceof InvalidConfiguration)) throw error;
    for (const problem of error.problems) await check('configuration', () => ['fail', problem]);
    await check('everything else', () => ['warn', 'not checked: it depends on the configuration']);
    return checks;
  }
  await check('configuration', () => ['ok', `${config.environment}; what is set is usable`]);
  await check('access keys', () => accessKeys(config.auth.accessTokenKeys));
  await check('redis', () => redis(config));
  try {
    await shell.withDatabase(config, async (url) => {
      const opened = await openDatabase(config, url);
      const { dataSource } = opened;
      try {
        await check('database', () => database(dataSource, config));
        await check('pooler', () => pooler(dataSource, config));
        await check('standbys', () => standbys(dataSource));
        await check('migrations', () => migrations(opened));
        await check('tables', () => tables(dataSource, config.database.schema));
        await check('application', () => application(opened));
        await check('clock', () => clock(dataSource));
        await check('pool', () => pool(dataSource, config));
        await check('refresh keys', () => refreshKeys(dataSource, config));
        await check('audit trail', () => auditTrail(dataSource, config));
      } finally {
        await dataSource.destroy();
      }
    });
  } catch (error) {
    await check('database', () => ['fail', messageOf(error)]);
  }
  return checks;
}

async function redis({ auth }: CommandLineConfig): Promise<Finding> {
  if (auth.redis === null) return ['ok', 'not configured: each process counts its limits alone'];
  (await openRedis(auth.redis)).destroy();
  return ['ok', auth.redis.sentinels === undefined ? 'answers' : 'the master that the sentinels name answers'];
}

const SUPPORTED = { from: 15, to: 18 };

async function database(dataSource: DataSource, { database: { url } }: CommandLineConfig): Promise<Finding> {
  const [row] = await dataSource.query<{ version: string; number: number; replica: boolean; unsafe: string[] }[]>(`
    SELECT current_setting('server_version') AS version, current_setting('server_version_num')::integer AS number,
           pg_is_in_recovery() AS replica,
           ARRAY(SELECT name FROM pg_settings
                  WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off') AS unsafe`);
  if (row === undefined) throw new Error('no answer');
  const major = Math.floor(row.number / 10_000);
  const message = `PostgreSQL ${row.version}${url === null ? `, embedded in ${EMBEDDED_DATA}` : ''}`;
  if (row.replica) return ['fail', `${message}: a replica, which takes no writes`];
  if (major < SUPPORTED.from) return ['fail', `${message}: older than ${SUPPORTED.from}`];
  if (major > SUPPORTED.to) return ['warn', `${message}: newer than ${SUPPORTED.to}, not tried`];
  if (row.unsafe.length > 0) return ['warn', `${message}: ${row.unsafe.join(', ')} off, a crash loses log-outs`];
  return ['ok', message];
}

async function pooler(dataSource: DataSource, { storage }: CommandLineConfig): Promise<Finding> {
  const pooled = await withClient(dataSource, isPooled);
  const listensPooled = storage.listenUrl === null ? pooled : await isPooledAt(storage.listenUrl);
  const problems = [
    ...(pooled && storage.preparedStatements ? [POOLED_STATEMENTS] : []),
    ...(listensPooled && storage.notify === 'postgres' ? [POOLED_LISTEN] : []),
  ];
  if (problems.length > 0) return ['warn', problems.join('; ')];
  return ['ok', pooled ? 'one, which the settings allow for' : 'none'];
}

async function isPooledAt(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000, query_timeout: 2000 });
  await client.connect();
  try {
    return await isPooled(client);
  } finally {
    await client.end();
  }
}

async function migrations({ dataSource, userDirectory }: Database): Promise<Finding> {
  const executor = new MigrationExecutor(dataSource);
  const pending = await executor.getPendingMigrations();
  if (pending.length > 0) return ['fail', `${pending.length} pending: ${pending.map(({ name }) => name).join(', ')}`];
  const known = dataSource.migrations.length;
  // A host's own are in the same table.
  const unknown = userDirectory === HostUserDirectory ? 0 : (await executor.getExecutedMigrations()).length - known;
  return unknown > 0
    ? ['warn', `${unknown} migrations that this version does not contain: the database is newer`]
    : ['ok', `${known} applied, none pending`];
}

/** Where the application's users are, its own rules count as well; another one's settings are not in our names. */
function application({ userDirectory }: Database): Finding {
  if (userDirectory === HostUserDirectory) return ['ok', 'another one, whose users are known by id alone'];
  try {
    loadConfig();
    return ['ok', 'this configuration starts it'];
  } catch (error) {
    if (!(error instanceof InvalidConfiguration)) throw error;
    return ['fail', `this configuration does not start it: ${error.problems.join('; ')}`];
  }
}

const SKEW_MS = { warn: 1000, fail: 30_000 };
const READINGS = 5;

/** The reading with the quickest answer says most, and is wrong by half of that time at most. */
async function clock(dataSource: DataSource): Promise<Finding> {
  let best = { took: Infinity, skew: 0 };
  for (let reading = 0; reading < READINGS; reading++) {
    const asked = Date.now();
    const [row] = await dataSource.query<{ now: Date }[]>('SELECT clock_timestamp() AS now');
    const answered = Date.now();
    const took = answered - asked;
    if (row !== undefined && took < best.took) best = { took, skew: row.now.getTime() - (asked + answered) / 2 };
  }
  const ms = Math.abs(Math.round(best.skew));
  const message = `the database is ${numberText(ms)} ms ${best.skew < 0 ? 'behind' : 'ahead'}`;
  if (ms < SKEW_MS.warn) return ['ok', message];
  return [ms < SKEW_MS.fail ? 'warn' : 'fail', `${message}: synchronise the clocks`];
}

async function pool(dataSource: DataSource, { database: { poolSize }, storage }: CommandLineConfig): Promise<Finding> {
  const [row] = await dataSource.query<{ allowed: number; used: number }[]>(`
    SELECT current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
             - COALESCE(current_setting('reserved_connections', true), '0')::integer AS allowed,
           (SELECT sum(numbackends) FROM pg_stat_database)::integer AS used`);
  const { allowed = 0, used = 0 } = row ?? {};
  const needed = storage.notify === 'postgres' ? poolSize + 1 : poolSize;
  const message = `a process may use ${needed} connections; the server allows ${allowed}, ${used} are in use`;
  if (needed > allowed) return ['fail', message];
  return [needed > allowed - used ? 'warn' : 'ok', message];
}

async function refreshKeys(
  dataSource: DataSource,
  { auth: { refreshTokenKeys }, database }: CommandLineConfig,
): Promise<Finding> {
  const inUse = await dataSource.query<{ id: number; sessions: number; since: Date }[]>(`
    SELECT key_id AS id, count(*)::integer AS sessions, min(COALESCE(rotated_at, created_at)) AS since
      FROM ${names(database.schema).sessions} WHERE revoked_at IS NULL AND expires_at > now() GROUP BY key_id ORDER BY key_id`);
  if (refreshTokenKeys === undefined) {
    const used = inUse.map(({ id, sessions }) => `${id} (${numberText(sessions)} live sessions)`).join(', ');
    return ['ok', `not configured here; needed are ${used || 'none'}`];
  }
  const ring = refreshTokenKeys.map(({ id }) => id);
  const told = (id: number): string => {
    const use = inUse.find((key) => key.id === id);
    const by = use
      ? `${numberText(use.sessions)} live sessions, since ${timeText(use.since)} or before`
      : 'no live session';
    return `${id} ${id === ring[0] ? 'issues' : 'verifies'} (${by})`;
  };
  const missing = inUse.filter(({ id }) => !ring.includes(id));
  if (missing.length === 0) return ['ok', ring.map(told).join('; ')];
  const lost = missing.map(({ id, sessions }) => `${id} (${numberText(sessions)} live sessions)`).join(', ');
  return ['fail', `the ring lacks ${lost}: these sessions cannot be refreshed`];
}

async function auditTrail(dataSource: DataSource, { auth, storage, database }: CommandLineConfig): Promise<Finding> {
  const partitions = new EventPartitions(new TypeOrmUnitOfWork(dataSource), names(database.schema));
  const log = await partitions.read();
  const time = (microseconds: number) => timeText(new Date(microseconds / 1000));
  const problems = (await partitions.crowdedGaps(log)).map(({ from, to }) => {
    const begin = from === -Infinity ? '' : ` from ${time(from)}`;
    const end = to === Infinity ? '' : ` until ${time(to)}`;
    return `more than 10,000 events${begin}${end} have no partition and stay in DEFAULT: see docs/operations.md`;
  });
  for (const { table, ours } of log.unattached) {
    problems.push(
      ours
        ? `${table} is past retention and detached: the next clean-up drops it`
        : `${table} is not attached: attach it again, or rename or drop it`,
    );
  }
  if (storage.auditPartition === 'external' && auth.auditRetentionSeconds !== null)
    problems.push('AUDIT_RETENTION has no effect with AUDIT_PARTITION=external');
  if (problems.length > 0) return ['warn', problems.join('; ')];
  const last = log.partitions.at(-1);
  if (last === undefined) return ['ok', 'no partitions yet'];
  return ['ok', last.to === Infinity ? 'partitions without an end' : `partitions until ${time(last.to)}`];
}
