import { Client } from 'pg';
import { type DataSource, MigrationExecutor } from 'typeorm';
import { EMBEDDED_DATA } from '../database/embedded-postgres';
import {
  EventPartitions,
  isPooled,
  names,
  POOLED_LISTEN,
  POOLED_STATEMENTS,
  problemsOfDatabase,
  standbysOf,
  TypeOrmUnitOfWork,
  withClient,
} from '../index';
import { numberText, timeText } from '../support/texts';
import type { Examined, Finding } from './finding';

const SUPPORTED = { from: 15, to: 18 };

export async function database(dataSource: DataSource, { database: { url } }: Examined): Promise<Finding> {
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

export async function pooler(dataSource: DataSource, { storage }: Examined): Promise<Finding> {
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

export async function migrations(dataSource: DataSource, isHosts: boolean): Promise<Finding> {
  const executor = new MigrationExecutor(dataSource);
  const pending = await executor.getPendingMigrations();
  if (pending.length > 0) return ['fail', `${pending.length} pending: ${pending.map(({ name }) => name).join(', ')}`];
  const known = dataSource.migrations.length;
  // A host's own are in the same table.
  const unknown = isHosts ? 0 : (await executor.getExecutedMigrations()).length - known;
  return unknown > 0
    ? ['warn', `${unknown} migrations that this version does not contain: the database is newer`]
    : ['ok', `${known} applied, none pending`];
}

const SKEW_MS = { warn: 1000, fail: 30_000 };
const READINGS = 5;

/** The reading with the quickest answer says most, and is wrong by half of that time at most. */
export async function clock(dataSource: DataSource): Promise<Finding> {
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

export async function pool(dataSource: DataSource, { database: { poolSize }, storage }: Examined): Promise<Finding> {
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

/** Whether a failover would lose commits. */
export async function standbys(dataSource: DataSource): Promise<Finding> {
  const found = await standbysOf(dataSource);
  if (found === null) return ['ok', 'unknown: the role may not see them; pg_monitor may'];
  const { synchronous, asynchronous } = found;
  if (synchronous + asynchronous === 0) return ['ok', 'none'];
  const message = `${synchronous} synchronous, ${asynchronous} asynchronous`;
  return synchronous > 0
    ? ['ok', message]
    : ['warn', `${message}: a failover loses commits, see docs/operations.md#high-availability`];
}

/** What stops the start of auth, the rights of the role among it. */
export async function tables(dataSource: DataSource, { database: { schema } }: Examined): Promise<Finding> {
  const problems = await problemsOfDatabase(dataSource, schema);
  return problems.length > 0
    ? ['fail', problems.join('; ')]
    : ['ok', `complete in the schema ${schema}, and the role may use them`];
}

export async function auditTrail(dataSource: DataSource, { auth, storage, database }: Examined): Promise<Finding> {
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
