import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { POSTGRES_DEFAULTS } from '../../src';
import { tablesIn } from '../../src/app.module';
import { dataSourceOptions } from '../../src/postgres/data-source';
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres';
import { runMigrations } from '../../src/postgres/migrate';
import { cpuOf } from './server-process';

/** The server under all benchmarks: the embedded one with fsync on, or the one that was given. */
export interface Postgres {
  /** Its version, and whether it syncs. */
  readonly version: string;
  /** An empty folder for logs, which `stop` removes. */
  readonly folder: string;
  /** A new database, empty or with the product's schema; `stop` drops it. */
  create(name: string, schema?: 'migrated'): Promise<Database>;
  stop(): Promise<void>;
}

export interface TableStats {
  readonly rows: number;
  readonly updates: number;
  /** Of the updates, those that touched no index; NaN without updates. */
  readonly hotShare: number;
  /** Of the others, those for which the page had no room; NaN before PostgreSQL 16. */
  readonly movedShare: number;
  readonly vacuums: number;
  /** Heap, indexes and TOAST, in bytes. */
  readonly bytes: number;
}

const PREFIX = 'ratchet_bench_';

const SETTINGS = {
  shared_preload_libraries: 'pg_stat_statements',
  'pg_stat_statements.max': '10000',
  // Otherwise full-page writes after a checkpoint that falls into one round and not into the next are what is measured.
  max_wal_size: '8GB',
  checkpoint_timeout: '30min',
  max_connections: '200',
};

export async function startPostgres(databaseUrl?: string): Promise<Postgres> {
  const folder = await mkdtemp(join(tmpdir(), 'ratchet-bench-'));
  const server =
    databaseUrl === undefined
      ? await startEmbeddedPostgres({ dataDir: join(folder, 'pg'), settings: SETTINGS })
      : { url: databaseUrl, stop: () => Promise.resolve() };
  const admin = await connect(server.url);
  const names: string[] = [];
  const drop = (name: string) => admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  const { rows } = await admin.query<{ version: string; fsync: string }>(
    `SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync`,
  );
  const [about] = rows;
  const countsStatements = await admin.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements').then(
    () => true,
    () => false,
  );
  return {
    version: `PostgreSQL ${about?.version}, fsync ${about?.fsync}`,
    folder,
    create: async (shortName, kind) => {
      const name = PREFIX + shortName;
      await drop(name);
      await admin.query(`CREATE DATABASE ${name}`);
      // For the benchmarks' own statements.
      await admin.query(`ALTER DATABASE ${name} SET search_path = ${POSTGRES_DEFAULTS.schema}, public`);
      names.push(name);
      const url = withDatabase(server.url, name);
      if (kind === 'migrated') await migrate(url);
      return new Database(url, await connect(url), admin, countsStatements, name);
    },
    stop: async () => {
      for (const name of names) await drop(name);
      await admin.end();
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}

export class Database {
  constructor(
    readonly url: string,
    readonly client: Client,
    private readonly admin: Client,
    private readonly countsStatements: boolean,
    readonly name: string,
  ) {
    // Dropped with its connections at the end.
    client.on('error', () => undefined);
  }

  /** How many statements the servers of this database have sent so far whose text matches; NaN without pg_stat_statements. */
  async statements(like = '%'): Promise<number> {
    if (!this.countsStatements) return NaN;
    const { rows } = await this.admin.query<{ calls: string }>(
      `SELECT COALESCE(sum(calls), 0) AS calls FROM pg_stat_statements
        WHERE dbid = (SELECT oid FROM pg_database WHERE datname = $1) AND query ILIKE $2`,
      [this.name, like],
    );
    return Number(rows[0]?.calls);
  }

  /** Processor time of each connection's backend so far, by its pid, in seconds; NaN when it runs elsewhere. */
  async backends(): Promise<ReadonlyMap<number, number>> {
    const { rows } = await this.admin.query<{ pid: number }>('SELECT pid FROM pg_stat_activity WHERE datname = $1', [
      this.name,
    ]);
    return new Map(rows.map(({ pid }) => [pid, cpuOf(pid)]));
  }

  /** Processor time of what writes on behalf of every connection: WAL, dirty pages, checkpoints; by pid, in seconds. */
  async writers(): Promise<ReadonlyMap<number, number>> {
    const { rows } = await this.admin.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE backend_type IN ('walwriter', 'background writer', 'checkpointer')`,
    );
    return new Map(rows.map(({ pid }) => [pid, cpuOf(pid)]));
  }

  /** What PostgreSQL counted of a table. Complete once the servers that used it have disconnected. */
  async table(name: string): Promise<TableStats> {
    const { rows } = await this.client.query<
      Record<'rows' | 'updates' | 'hot' | 'moved' | 'vacuums' | 'bytes', string>
    >(
      // As JSON, since older servers do not count what moved.
      `SELECT (SELECT count(*) FROM ${name}) AS rows, sum(n_tup_upd) AS updates, sum(n_tup_hot_upd) AS hot,
              sum((to_json(pg_stat_user_tables)->>'n_tup_newpage_upd')::bigint) AS moved, sum(autovacuum_count) AS vacuums,
              COALESCE((SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('${name}')),
                       pg_total_relation_size('${name}')) AS bytes
         FROM pg_stat_user_tables WHERE relid = '${name}'::regclass`,
    );
    const [row] = rows;
    const updates = Number(row?.updates);
    return {
      rows: Number(row?.rows),
      updates,
      hotShare: Number(row?.hot) / updates,
      movedShare: Number(row?.moved ?? NaN) / (updates - Number(row?.hot)),
      vacuums: Number(row?.vacuums),
      bytes: Number(row?.bytes),
    };
  }
}

async function migrate(url: string): Promise<void> {
  const dataSource = await new DataSource(
    dataSourceOptions(
      { url, poolSize: 2, migrateOnStart: true, schema: POSTGRES_DEFAULTS.schema },
      tablesIn(POSTGRES_DEFAULTS.schema),
    ),
  ).initialize();
  await runMigrations(dataSource).finally(() => dataSource.destroy());
}

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return client;
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = name;
  return changed.href;
}
