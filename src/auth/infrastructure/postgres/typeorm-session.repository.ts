import { Injectable } from '@nestjs/common';
import DataLoader from 'dataloader';
import type { Pool, QueryResult, QueryResultRow } from 'pg';
import { DataSource, type EntitySchema } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver';
import { NIL as BEFORE_ALL } from 'uuid';
import { classOf, detailsOf } from '../../domain/events';
import type { RevocationReason } from '../../domain/refusals';
import { lastUsedFirst, type NewSession, type Session } from '../../domain/session';
import { AuthOptions } from '../../options/auth.options';
import {
  type LiveToken,
  type NextToken,
  type RefreshReading,
  type RefreshRecord,
  type Replay,
  SessionRepository,
  type SomeSessions,
} from '../../ports/session.repository';
import { UserDirectory } from '../../ports/user-directory';
import { PostgresRevocationFeed } from './postgres-revocation.feed';
import { type Names, names } from './names';
import { withPolicy } from './policy-row';
import { type FoundForRefresh, READ_TOGETHER, refreshStatements, type Statement } from './refresh-statements';
import { sessionEntity, type SessionRow } from './session.entity';
import { failedWith } from './sql-state';
import { TypeOrmUnitOfWork } from './typeorm-unit-of-work';

const REUSE_MEMORY = '24 hours';
/** What one statement ends is done in time, however many there are. */
const BATCH = 10_000;
const QUERY_CANCELED = '57014';

/**
 * The session rows in PostgreSQL. The refresh's read and its two writes are named prepared statements on the pool that
 * TypeORM owns: prepared they cost about half of what `DataSource.query` costs. Everything else is TypeORM as usual.
 */
@Injectable()
export class TypeOrmSessionRepository extends SessionRepository {
  private readonly names: Names;
  private readonly entity: EntitySchema<SessionRow>;
  private readonly statements: ReturnType<typeof refreshStatements>;
  /** Refreshes that arrive in the same turn of the event loop share a read: Node and PostgreSQL pay once for it (ADR 11). */
  private readonly readings = new DataLoader((ids: readonly string[]) => this.read(ids), {
    batchScheduleFn: (read) => setImmediate(read),
    maxBatchSize: READ_TOGETHER,
    cache: false,
  });
  /** Sessions that ended before this do not exist for any reader, deleted or not: no answer depends on when a clean-up runs. */
  private readonly retained: string;

  constructor(
    private readonly dataSource: DataSource,
    private readonly unitOfWork: TypeOrmUnitOfWork,
    private readonly feed: PostgresRevocationFeed,
    private readonly options: AuthOptions,
    users: UserDirectory,
  ) {
    super();
    this.names = names(options.schema);
    this.entity = sessionEntity(this.names);
    this.retained = `now() - interval '${options.sessionRetentionSeconds} seconds'`;
    this.statements = refreshStatements(this.names, users, this.retained);
  }

  async open(session: NewSession): Promise<Session> {
    const { idleTtlSeconds, absoluteTtlSeconds, ...columns } = session;
    const inserted = await this.unitOfWork.manager
      .createQueryBuilder()
      .insert()
      .into(this.entity)
      .values({
        ...columns,
        expiresAt: () => `now() + make_interval(secs => LEAST(:idleTtl::integer, :absoluteTtl::integer))`,
        absoluteExpiresAt: () => `now() + make_interval(secs => :absoluteTtl::integer)`,
      })
      .setParameters({ idleTtl: idleTtlSeconds, absoluteTtl: absoluteTtlSeconds })
      .returning(selectedOf(this.entity))
      .execute();
    return inserted.generatedMaps[0] as Session;
  }

  findForRefresh(id: string): Promise<RefreshReading | null> {
    return this.readings.load(id);
  }

  async rotate(live: LiveToken, next: NextToken, record: RefreshRecord): Promise<boolean> {
    return this.change(this.statements.rotate, live, record, [
      next.tokenHash,
      next.successorNonce,
      next.keyId,
      next.retryKeyHash,
      next.tokenVersion,
      next.globalVersionAtIssuance,
      next.expiresAt,
      next.userAgent,
      next.ipAddress,
    ]);
  }

  async confirmReplay(live: LiveToken, replay: Replay, record: RefreshRecord): Promise<boolean> {
    return this.change(this.statements.confirmReplay, live, record, [
      live.keyed,
      replay.door === 'window' ? 1 : 0,
      replay.maxReplays,
      replay.retryKeyHash,
    ]);
  }

  async revoke(
    id: string,
    reason: RevocationReason,
    asRead?: Pick<LiveToken, 'generation' | 'tokenHash'>,
  ): Promise<boolean> {
    return this.unitOfWork.run(async () => {
      const update = this.unitOfWork.manager
        .createQueryBuilder()
        .update(this.entity)
        .set({ revokedAt: () => 'now()', revokedReason: reason })
        .where(`id = :id AND revoked_at IS NULL AND absolute_expires_at >= ${this.retained}`, { id });
      if (asRead) {
        const { generation, tokenHash } = asRead;
        update.andWhere('generation = :generation AND token_hash = :tokenHash', { generation, tokenHash });
      }
      const { affected } = await update.execute();
      if (affected !== 1) return false;
      // A token below a floor is refused by every guard already.
      if (reason !== 'token_version_rejected') await this.feed.announce([{ kind: 'session', sessionId: id }], reason);
      return true;
    });
  }

  async revokeAllOfUser(userId: string, reason: RevocationReason): Promise<string[]> {
    return this.revokeLive(userId, reason, (live) => live);
  }

  async revokeSome(which: SomeSessions, reason: RevocationReason): Promise<string[]> {
    return this.unitOfWork.run(async () => {
      const ended = await this.revokeLive(which.userId, reason, (live) =>
        'except' in which
          ? live.filter(({ id }) => id !== which.except)
          : live.toSorted(lastUsedFirst).slice(which.keepLastUsed),
      );
      await this.feed.announce(
        ended.map((sessionId) => ({ kind: 'session', sessionId })),
        reason,
      );
      return ended;
    });
  }

  async findLiveOfUser(userId: string): Promise<Session[]> {
    return this.live(userId).orderBy('session.lastUsedAt', 'DESC').addOrderBy('session.id', 'DESC').getMany();
  }

  async deleteEnded(limit: number): Promise<number | null> {
    return this.unitOfWork.run(async () => {
      const { manager } = this.unitOfWork;
      const [lock] = await manager.query<{ mine: boolean }[]>(
        `SELECT pg_try_advisory_xact_lock(hashtextextended('${this.names.lock('clean-up')}', 0)) AS mine`,
      );
      if (lock?.mine !== true) return null;
      const { affected } = await manager
        .createQueryBuilder()
        .delete()
        .from(this.entity)
        .where(
          `id IN (SELECT id FROM ${this.names.sessions} WHERE absolute_expires_at < ${this.retained} ORDER BY absolute_expires_at LIMIT :limit::integer FOR UPDATE SKIP LOCKED)`,
          { limit },
        )
        .execute();
      return affected ?? 0;
    });
  }

  async countEnded(): Promise<number> {
    return this.unitOfWork.manager
      .createQueryBuilder(this.entity, 'session')
      .where(`session.absoluteExpiresAt < ${this.retained}`)
      .getCount();
  }

  async revokeAll(reason: RevocationReason): Promise<number> {
    const { sessions } = this.names;
    return this.unitOfWork.run(async () => {
      let total = 0;
      for (let last: string | null = BEFORE_ALL; last !== null;) {
        const [batch]: { last: string | null; ended: number }[] = await this.unitOfWork.manager.query(
          `WITH batch AS (SELECT id FROM ${sessions} WHERE id > $1 ORDER BY id LIMIT ${BATCH}),
                ended AS (UPDATE ${sessions} session SET revoked_at = now(), revoked_reason = $2 FROM batch
                           WHERE session.id = batch.id AND revoked_at IS NULL AND expires_at > now() RETURNING 1)
           SELECT (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS last, (SELECT count(*)::integer FROM ended) AS ended`,
          [last, reason],
        );
        total += batch?.ended ?? 0;
        last = batch?.last ?? null;
      }
      return total;
    });
  }

  async findById(id: string): Promise<Session | null> {
    return this.unitOfWork.manager
      .createQueryBuilder(this.entity, 'session')
      .where(`session.id = :id AND session.absoluteExpiresAt >= ${this.retained}`, { id })
      .getOne();
  }

  async countBelowGlobal(version: number): Promise<number> {
    try {
      // Within a unit of work a savepoint, so that it survives a count that takes too long.
      return await this.unitOfWork.manager.transaction((inner) =>
        inner
          .createQueryBuilder(this.entity, 'session')
          .where('session.revokedAt IS NULL AND session.expiresAt > now()')
          .andWhere('session.globalVersionAtIssuance < :version', { version })
          .getCount(),
      );
    } catch (error) {
      if (!failedWith(error, QUERY_CANCELED)) throw error;
      return this.estimate();
    }
  }

  async estimate(): Promise<number> {
    const [row] = await this.unitOfWork.manager.query<{ rows: number }[]>(
      `SELECT GREATEST(reltuples, 0)::float AS rows FROM pg_class WHERE oid = '${this.names.sessions}'::regclass`,
    );
    return row?.rows ?? 0;
  }

  async countReuses(userId: string): Promise<number> {
    return this.unitOfWork.manager
      .createQueryBuilder(this.entity, 'session')
      .where(`session.userId = :userId AND session.revokedReason = 'reuse_detected'`, { userId })
      .andWhere(`session.revokedAt > now() - interval '${REUSE_MEMORY}'`)
      .andWhere(`session.absoluteExpiresAt >= ${this.retained}`)
      .getCount();
  }

  async lockUser(userId: string): Promise<void> {
    await this.unitOfWork.manager.query(
      `SELECT pg_advisory_xact_lock(hashtextextended('${this.names.lock('user ')}' || $1, 0))`,
      [userId],
    );
  }

  private async revokeLive(
    userId: string,
    reason: RevocationReason,
    choose: (live: Session[]) => Session[],
  ): Promise<string[]> {
    return this.unitOfWork.run(async () => {
      const { manager } = this.unitOfWork;
      // Two statements, since only a SELECT can say in which order the rows are locked.
      const live = await this.live(userId).orderBy('session.id').setLock('pessimistic_write').getMany();
      const ids = choose(live).map(({ id }) => id);
      await manager
        .createQueryBuilder()
        .update(this.entity)
        .set({ revokedAt: () => 'now()', revokedReason: reason })
        .where('id = ANY(:ids)', { ids })
        .execute();
      return ids;
    });
  }

  private live(userId: string) {
    return this.unitOfWork.manager
      .createQueryBuilder(this.entity, 'session')
      .where('session.userId = :userId AND session.revokedAt IS NULL AND session.expiresAt > now()', { userId });
  }

  private async change(
    statement: Statement,
    live: LiveToken,
    record: RefreshRecord,
    values: readonly unknown[],
  ): Promise<boolean> {
    const [{ context }] = record;
    const parameters: unknown[] = [live.id, live.generation, live.tokenHash, ...values];
    parameters.push(context.occurredAt, context.attemptId, context.ipAddress, context.userAgent);
    for (const event of record) {
      const { type, outcome } = classOf(event);
      parameters.push(event.context.eventId, type, outcome, event.context.generation, detailsOf(event));
    }
    const { rowCount: recorded } = await this.query(statement, parameters);
    return recorded === record.length;
  }

  private async read(ids: readonly string[]): Promise<(RefreshReading | null)[]> {
    const statement = this.statements.find(ids.length);
    const wanted = Array.from({ length: statement.count }, (_, place) => ids[place] ?? null);
    const rows = await withPolicy(this.dataSource, this.names, async () => {
      const { rows } = await this.query<FoundForRefresh>(statement, wanted);
      return rows.every(({ row }) => row.hasPolicy) ? rows : null;
    });
    const readings: (RefreshReading | null)[] = ids.map(() => null);
    for (const { place, row } of rows) readings[place] = this.statements.readingOf(row);
    return readings;
  }

  private query<Row extends QueryResultRow>({ name, text }: Statement, values: unknown[]): Promise<QueryResult<Row>> {
    const pool = (this.dataSource.driver as PostgresDriver).master as Pool;
    return pool.query<Row>(this.options.preparedStatements ? { name, text, values } : { text, values });
  }
}

/** The properties that TypeORM reads unless it is asked for more. */
const selectedOf = ({ options }: EntitySchema<SessionRow>): string[] =>
  Object.entries(options.columns).flatMap(([property, { select }]) => (select === false ? [] : [property]));
