import type { DataSource } from 'typeorm';
import { openRedis } from '../index';
import { messageOf } from '../support/message-of';
import { auditTrail, clock, database, migrations, pool, pooler, standbys, tables } from './database';
import type { Checks, Examined, Finding } from './finding';
import { accessKeys, refreshKeys } from './keys';

export { ageInDays, KEY_LIFE_DAYS } from './keys';
export type { Examined, Finding };

/** A line of `ratchet doctor`, and of the console. */
export interface Check {
  readonly check: string;
  readonly status: Finding[0];
  readonly message: string;
}

/** A database that has been opened. */
export interface Opened {
  readonly dataSource: DataSource;
  /** Whether a host has its tables there, too: its migrations are in the same table as ours. */
  readonly isHosts: boolean;
  /** Whether the configuration starts the application. */
  readonly application: () => Finding;
}

/** What `ratchet doctor` and the running application check without a database, in order. */
const checksOfSettings = (config: Examined): Checks => ({
  configuration: () => ['ok', `${config.environment}; what is set is usable`],
  'access keys': () => accessKeys(config),
  redis: () => redis(config),
});

const checksOfDatabase = (config: Examined, { dataSource, isHosts, application }: Opened): Checks => ({
  database: () => database(dataSource, config),
  pooler: () => pooler(dataSource, config),
  standbys: () => standbys(dataSource),
  migrations: () => migrations(dataSource, isHosts),
  tables: () => tables(dataSource, config),
  application,
  clock: () => clock(dataSource),
  pool: () => pool(dataSource, config),
  'refresh keys': () => refreshKeys(dataSource, config),
  'audit trail': () => auditTrail(dataSource, config),
});

export const examineSettings = (config: Examined): Promise<Check[]> => examine(checksOfSettings(config));

export const examineDatabase = (config: Examined, opened: Opened): Promise<Check[]> =>
  examine(checksOfDatabase(config, opened));

/** One after the other, on few connections. A check that throws has failed. */
async function examine(checks: Checks): Promise<Check[]> {
  const found: Check[] = [];
  for (const [check, look] of Object.entries(checks)) {
    const [status, message] = await Promise.resolve()
      .then(look)
      .catch((error: unknown): Finding => ['fail', messageOf(error)]);
    found.push({ check, status, message });
  }
  return found;
}

async function redis({ auth }: Examined): Promise<Finding> {
  if (auth.redis === null) return ['ok', 'not configured: each process counts its limits alone'];
  (await openRedis(auth.redis)).destroy();
  return ['ok', auth.redis.sentinels === undefined ? 'answers' : 'the master that the sentinels name answers'];
}
