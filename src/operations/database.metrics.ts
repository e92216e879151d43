import { Injectable, Logger } from '@nestjs/common';
import type { Pool } from 'pg';
import { Gauge, Registry } from 'prom-client';
import { DataSource } from 'typeorm';
import { AuthOptions, names } from '../index';
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

/** What is read only when somebody asks for the metrics. */
@Injectable()
export class DatabaseMetrics {
  private countedAt = -Infinity;
  private readonly logger = new Logger(DatabaseMetrics.name);

  constructor(registry: Registry, dataSource: DataSource, { schema }: AuthOptions) {
    const statement = liveSessions(names(schema).sessions);
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
    const live = new Gauge({
      name: 'ratchet_active_sessions',
      help: 'Sessions that are neither revoked nor expired; counted at most every 30 seconds, above 100,000 estimated',
      registers: [registry],
      collect: async () => {
        if (Date.now() - this.countedAt < RECOUNT_MS) return;
        this.countedAt = Date.now();
        try {
          const [row] = await dataSource.query<{ live: string }[]>(statement);
          live.set(Number(row?.live));
        } catch (error) {
          // The other metrics are most wanted when the database is down.
          this.logger.warn(`The active sessions could not be counted: ${(error as Error).message}`);
        }
      },
    });
  }
}
