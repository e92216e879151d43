import { Injectable, Logger } from '@nestjs/common';
import { Client, type ClientConfig, type Pool } from 'pg';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver';
import {
  ISSUE_MARGIN_SECONDS,
  type Revocation,
  RevocationFeed,
  type RevocationReading,
  type RevocationWatcher,
} from '../../../guard/ports/revocation.feed';
import type { CutOffMode, SecurityPolicy } from '../../../guard/versions';
import { inTime } from '../../../support/in-time';
import { Outage } from '../../../support/outage';
import { AuthOptions } from '../../options/auth.options';
import { PostgresSettings } from '../../options/postgres.settings';
import { type Names, names } from './names';
import { withPolicy } from './policy-row';
import { isPooled, POOLED_LISTEN } from './pooler';
import { TypeOrmUnitOfWork } from './typeorm-unit-of-work';

const RECONNECT_AFTER_MS = 1000;
/** For a server that neither answers nor breaks: nothing may hang on it, least of all the start and the end. */
const PATIENCE_MS = 2000;
const ONE_DAY = 24 * 60 * 60;
/** What one statement deletes or loads is done in time, however many there are. */
const BATCH = 10_000;

interface ReadingRow {
  readonly policy: Record<string, unknown>;
  readonly revocations: {
    id: string;
    xid: string;
    kind: 'user' | 'session';
    subject: string;
    version: number | null;
    at: string;
  }[];
  readonly horizon: string;
  readonly stale: boolean;
  readonly server: string;
  readonly now: Date;
}

/**
 * Revocations as rows of the announcing transaction, found by its id: catching up by sequence or by time would lose rows
 * that commit late. LISTEN has a connection of its own, so an instance needs an extra connection beside the pool.
 */
@Injectable()
export class PostgresRevocationFeed extends RevocationFeed {
  private readonly logger = new Logger(RevocationFeed.name);
  private readonly outage = new Outage(this.logger, 'Listening for revocations again');
  private readonly watchers = new Set<RevocationWatcher>();
  private readonly names: Names;

  constructor(
    private readonly unitOfWork: TypeOrmUnitOfWork,
    private readonly settings: PostgresSettings,
    private readonly options: AuthOptions,
  ) {
    super();
    this.names = names(settings.schema);
  }

  async announce(ended: readonly Revocation[], reason: string, policy?: SecurityPolicy): Promise<void> {
    const { revocations, channel } = this.names;
    const rows = ended.map((revocation) =>
      revocation.kind === 'user'
        ? { kind: revocation.kind, subject: revocation.userId, version: revocation.minVersion }
        : { kind: revocation.kind, subject: revocation.sessionId, version: null },
    );
    const all = policy ? [...rows, { kind: 'global', subject: null, version: policy.globalMinTokenVersion }] : rows;
    if (all.length === 0) return;
    await this.unitOfWork.ownManager.query(
      `INSERT INTO ${revocations} (kind, subject_id, min_version, reason)
       SELECT kind, subject, version, $2 FROM json_to_recordset($1) AS row (kind text, subject text, version integer)
       RETURNING ${this.settings.notify === 'postgres' ? `pg_notify('${channel}', '')` : '1'}`,
      [JSON.stringify(all), reason],
    );
    this.unitOfWork.afterCommit(() => {
      for (const watcher of this.watchers) watcher.committed(ended, policy);
    });
  }

  async read(horizon: bigint | null, page = 0n): Promise<RevocationReading> {
    const { policy, revocations } = this.names;
    const [since, parameters] =
      horizon === null
        ? [
            `id > $2::bigint AND created_at > now() - make_interval(secs => $1::integer) ORDER BY id LIMIT ${BATCH}`,
            [this.needed, page.toString()],
          ]
        : // Whatever was not committed at the last reading has an id of at least that reading's oldest running transaction.
          [`xid >= $1::text::xid8`, [horizon.toString()]];
    const row = await withPolicy(this.unitOfWork.dataSource, this.names, async () => {
      const [found] = await this.unitOfWork.dataSource.query<ReadingRow[]>(
        // The name is inside the statement, where pg_stat_statements keeps it.
        `SELECT /* ratchet: revocation poll */ to_json(p) AS policy, now() AS now,
                pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS stale,
                extract(epoch FROM pg_postmaster_start_time())::text AS server,
                pg_snapshot_xmin(pg_current_snapshot())::text AS horizon,
                (SELECT COALESCE(json_agg(json_build_object('id', id::text, 'xid', xid::text, 'kind', kind, 'subject', subject_id,
                                                            'version', min_version, 'at', created_at) ORDER BY id), '[]')
                   FROM (SELECT * FROM ${revocations} WHERE kind <> 'global' AND ${since}) AS page) AS revocations
         FROM ${policy} p WHERE id = 1`,
        parameters,
      );
      return found ?? null;
    });
    // A standby and a former primary answer as well, and may know nothing of what has happened since.
    if (row.stale) throw new Error('the server is read-only or in recovery: what it knows may be old');
    const last = horizon === null && row.revocations.length === BATCH ? row.revocations.at(-1) : undefined;
    return {
      policy: policyOf(row.policy),
      revocations: row.revocations.map(({ xid, kind, subject, version, at }) => ({
        announcedAt: new Date(at),
        position: BigInt(xid),
        ...(kind === 'user' ? { kind, userId: subject, minVersion: version ?? 1 } : { kind, sessionId: subject }),
      })),
      horizon: BigInt(row.horizon),
      server: row.server,
      now: row.now,
      ...(last !== undefined && { nextPage: BigInt(last.id) }),
    };
  }

  async watch(watcher: RevocationWatcher): Promise<() => Promise<void>> {
    this.watchers.add(watcher);
    const listener =
      this.settings.notify === 'none'
        ? null
        : new Listener(this.clientConfig(), this.names.channel, watcher, this.outage, () =>
            this.logger.warn(`Revocations: ${POOLED_LISTEN}`),
          );
    await listener?.connect();
    return async () => {
      this.watchers.delete(watcher);
      await listener?.stop();
    };
  }

  async purge(dryRun: boolean, stop?: AbortSignal): Promise<number> {
    const { revocations } = this.names;
    const old = `FROM ${revocations} WHERE created_at < now() - make_interval(secs => $1::integer)`;
    const countOf = async (sql: string): Promise<number> => {
      // A day, unless access tokens live longer: a guard that starts later must still find what ended them.
      const [row] = await this.unitOfWork.dataSource.query<{ count: number }[]>(sql, [Math.max(ONE_DAY, this.needed)]);
      return row?.count ?? 0;
    };
    if (dryRun) return countOf(`SELECT count(*)::integer AS count ${old}`);
    let total = 0;
    while (!stop?.aborted) {
      const purged = await countOf(
        `WITH purged AS (
           DELETE FROM ${revocations}
            WHERE id IN (SELECT id ${old} ORDER BY created_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED) RETURNING 1)
         SELECT count(*)::integer AS count FROM purged`,
      );
      total += purged;
      if (purged < BATCH) break;
    }
    return total;
  }

  /** How long an access token can outlive its revocation, in seconds. */
  private get needed(): number {
    return this.options.accessTokenTtlSeconds + ISSUE_MARGIN_SECONDS;
  }

  private clientConfig(): ClientConfig {
    if (this.settings.listenUrl !== null) return { connectionString: this.settings.listenUrl };
    const { options } = (this.unitOfWork.dataSource.driver as PostgresDriver).master as Pool;
    // The pool hides its password from a spread.
    return { ...options, password: options.password };
  }
}

/** One connection that listens, made again when it is lost. */
class Listener {
  private client: Client | null = null;
  private reconnect: NodeJS.Timeout | undefined;
  private stopped = false;
  private hasLooked = false;

  constructor(
    private readonly config: ClientConfig,
    private readonly channel: string,
    private readonly watcher: RevocationWatcher,
    private readonly outage: Outage,
    private readonly pooled: () => void,
  ) {}

  async connect(): Promise<void> {
    const client = new Client({
      ...this.config,
      connectionTimeoutMillis: PATIENCE_MS,
      query_timeout: PATIENCE_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      application_name: 'ratchet listen',
    });
    this.client = client;
    client.on('error', (error) => this.lost(client, error)); // a lost connection emits it twice
    client.on('end', () => this.lost(client, new Error('the connection ended')));
    client.on('notification', () => this.watcher.hint());
    try {
      await client.connect();
      await client.query(`LISTEN ${this.channel}`);
      this.outage.ends();
      this.watcher.reset();
      if (this.hasLooked) return;
      this.hasLooked = true;
      if (await isPooled(client)) this.pooled();
    } catch (error) {
      this.lost(client, error);
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.reconnect);
    const client = this.client;
    this.client = null;
    if (client !== null) await inTime(client.end(), PATIENCE_MS).catch(() => client.connection.stream.destroy());
  }

  private lost(client: Client, error: unknown): void {
    if (this.stopped || this.client !== client) return;
    this.client = null;
    this.outage.goesOn(`Not listening for revocations, looking once a second instead: ${String(error)}`);
    client.connection.stream.destroy(); // a polite end waits for an answer
    this.reconnect = setTimeout(() => void this.connect(), RECONNECT_AFTER_MS).unref();
  }
}

const policyOf = (row: Record<string, unknown>): SecurityPolicy => ({
  globalMinTokenVersion: row.global_min_token_version as number,
  mode: row.rotation_mode as CutOffMode,
  graceEndsAt: dateOf(row.grace_ends_at),
  gracePeriodSeconds: row.grace_period_seconds as number,
  lastRotationAt: dateOf(row.last_rotation_at),
  lastRotationReason: row.last_rotation_reason as string | null,
  createdAt: new Date(row.created_at as string),
  updatedAt: new Date(row.updated_at as string),
});

const dateOf = (value: unknown): Date | null => (value === null ? null : new Date(value as string));
