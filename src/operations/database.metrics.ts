import { Injectable, Logger } from '@nestjs/common';
import type { Pool } from 'pg';
import { Gauge, Registry } from 'prom-client';
import { EventPartitions, names, PostgresSettings, standbysOf, TypeOrmUnitOfWork } from '../index';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver';

const RECOUNT_MS = 30_000;

/*
 * Exact up to about 100,000 rows, above it an estimate from that many, by whole pages: a full count of ten million
 * sessions reads for seconds.
 */
const liveSessions = (sessions: string) => `
  WITH sample AS (SELECT least(100, 100.0 * 100000 / greatest(reltuples, 1)) AS percent FROM pg_class WHERE oid = '${sessions}'::regclass)
  SELECT round(count(*) * 100 / (SELECT percent FROM sample)) AS live
  FROM ${sessions} TABLESAMPLE SYSTEM ((SELECT percent FROM sample))
  WHERE revoked_at IS NULL AND expires_at > now()`;

/** Of the DEFAULT partition: any row is worth a look, and how many there are beyond this makes no difference. */
const MAX_DEFAULT_ROWS = 100_000;

/** What is read only when somebody asks for the metrics. */
@Injectable()
export class DatabaseMetrics {
  private readonly logger = new Logger(DatabaseMetrics.name);

  constructor(
    private readonly registry: Registry,
    unitOfWork: TypeOrmUnitOfWork,
    { schema }: PostgresSettings,
  ) {
    const { dataSource } = unitOfWork;
    const pool = (dataSource.driver as PostgresDriver).master as Pool;
    new Gauge({
      name: 'ratchet_database_pool_connections',
      help: 'Connections to the database by state, and requests that wait for one',
      labelNames: ['state'],
      registers: [registry],
      collect() {
        this.set({ state: 'busy' }, pool.totalCount - pool.idleCount);
        this.set({ state: 'idle' }, pool.idleCount);
        this.set({ state: 'waiting' }, pool.waitingCount);
      },
    });
    const statement = liveSessions(names(schema).sessions);
    this.counted(
      'ratchet_active_sessions',
      'Sessions that are neither revoked nor expired; counted at most every 30 seconds, above 100,000 estimated',
      async () => {
        const [row] = await dataSource.query<{ live: string }[]>(statement);
        return Number(row?.live);
      },
    );
    const partitions = new EventPartitions(unitOfWork, names(schema));
    this.counted(
      'ratchet_audit_default_rows',
      'Audit events without a partition of their time; counted at most every 30 seconds, up to 100,000',
      async () => partitions.countDefault(await partitions.read(), MAX_DEFAULT_ROWS),
    );
    this.read(
      'ratchet_database_standbys',
      'Standbys of the database by sync_state, synchronous or asynchronous; read at most every 30 seconds, absent where the role may not see them',
      async (gauge) => {
        const found = await standbysOf(dataSource);
        gauge.reset();
        for (const [state, count] of Object.entries<number>({ ...found })) gauge.set({ sync_state: state }, count);
      },
      ['sync_state'],
    );
  }

  private counted(name: string, help: string, count: () => Promise<number>): void {
    this.read(name, help, async (gauge) => gauge.set(await count()));
  }

  private read(name: string, help: string, set: (gauge: Gauge) => Promise<void>, labelNames: string[] = []): void {
    let countedAt = -Infinity;
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect: async () => {
        if (Date.now() - countedAt < RECOUNT_MS) return;
        countedAt = Date.now();
        try {
          await set(gauge);
        } catch (error) {
          // The other metrics are most wanted when the database is down.
          this.logger.warn(`${name} could not be counted: ${(error as Error).message}`);
        }
      },
    });
  }
}
