import { Injectable } from '@nestjs/common';
import type { Pool, QueryResult, QueryResultRow } from 'pg';
import { DataSource, type EntityTarget, type ObjectLiteral, QueryFailedError } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver';
import { NIL as BEFORE_ALL } from 'uuid';
import { classOf } from '../../domain/events';
import type { RefreshSession, RefreshUser } from '../../domain/refresh-decision';
import type { RevocationReason } from '../../domain/refusals';
import type { NewSession, Session } from '../../domain/session';
import type { Floors } from '../../domain/versions';
import { AuthOptions } from '../../ports/auth.options';
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
import { PostgresRevocationFeed } from '../postgres/postgres-revocation.feed';
import { AuthEventEntity } from './auth-event.entity';
import { detailsOf } from './typeorm-auth-event.log';
import { SecurityPolicyEntity } from './security-policy.entity';
import { SessionEntity } from './session.entity';
import { TypeOrmSecurityPolicyRepository } from './typeorm-security-policy.repository';
import { TypeOrmUnitOfWork } from './typeorm-unit-of-work';
import { UserTokenVersionEntity } from './user-token-version.entity';

const REUSE_MEMORY = '24 hours';
/** What one statement ends is done in time, however many there are. */
const BATCH = 10_000;
const QUERY_CANCELED = '57014';

/** The columns of {@link RefreshSession}. */
const READ_BY_REFRESH = [
  'id',
  'userId',
  'generation',
  'tokenHash',
  'previousTokenHash',
  'successorNonce',
  'keyId',
  'retryKeyHash',
  'keyed',
  'replayCount',
  'rotatedAt',
  'tokenVersion',
  'globalVersionAtIssuance',
  'delivery',
  'lastUsedAt',
  'expiresAt',
  'absoluteExpiresAt',
  'revokedAt',
  'revokedReason',
  'deviceId',
  'deviceName',
  'lastUserAgent',
  'lastIpAddress',
] as const satisfies readonly (keyof RefreshSession)[];

interface RefreshRow extends RefreshSession, Floors {
  readonly now: Date;
  readonly hasPolicy: boolean;
  readonly hasUser?: boolean;
  readonly email?: string | null;
  readonly roles?: string[] | null;
  readonly isActive?: boolean | null;
}

/**
 * The session rows in PostgreSQL. The refresh's read and its two writes are named prepared statements on the pool that
 * TypeORM owns: prepared they cost about half of what `DataSource.query` costs. Everything else is TypeORM as usual.
 */
@Injectable()
export class TypeOrmSessionRepository extends SessionRepository {
  private readonly statements: ReturnType<typeof refreshStatements>;
  /** What ended before this is gone for every reader, deleted or not: no answer depends on when a clean-up comes by. */
  private readonly retained: string;

  constructor(
    private readonly dataSource: DataSource,
    private readonly unitOfWork: TypeOrmUnitOfWork,
    private readonly policies: TypeOrmSecurityPolicyRepository,
    private readonly feed: PostgresRevocationFeed,
    private readonly options: AuthOptions,
    private readonly users: UserDirectory,
  ) {
    super();
    this.retained = `now() - interval '${options.sessionRetentionSeconds} seconds'`;
    this.statements = refreshStatements(dataSource, users, this.retained);
  }

  async open(session: NewSession): Promise<Session> {
    const { idleTtlSeconds, absoluteTtlSeconds, ...columns } = session;
    const inserted = await this.unitOfWork.manager
      .createQueryBuilder()
      .insert()
      .into(SessionEntity)
      .values({
        ...columns,
        expiresAt: () => `now() + make_interval(secs => LEAST(:idleTtl::integer, :absoluteTtl::integer))`,
        absoluteExpiresAt: () => `now() + make_interval(secs => :absoluteTtl::integer)`,
      })
      .setParameters({ idleTtl: idleTtlSeconds, absoluteTtl: absoluteTtlSeconds })
      .returning('*')
      .execute();
    return inserted.generatedMaps[0] as SessionEntity;
  }

  async findForRefresh(id: string): Promise<RefreshReading | null> {
    const { rows } = await this.query<{ row: RowAsJson }>('ratchet_find_for_refresh', this.statements.find, [id]);
    const [found] = rows;
    if (found === undefined) return null;
    const row = this.statements.rowOf(found.row);
    if (!row.hasPolicy) {
      await this.policies.create();
      return this.findForRefresh(id);
    }
    const user: RefreshUser | null | undefined =
      this.users.joinable === undefined
        ? undefined
        : row.hasUser === true
          ? { id: row.userId, email: row.email ?? '', roles: row.roles ?? [], isActive: row.isActive === true }
          : null;
    return { session: row, floors: row, user, now: row.now };
  }

  async rotate(live: LiveToken, next: NextToken, record: RefreshRecord): Promise<boolean> {
    return this.change('ratchet_rotate', this.statements.rotate, record, [
      live.id,
      live.generation,
      live.tokenHash,
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
    return this.change('ratchet_confirm_replay', this.statements.confirmReplay, record, [
      live.id,
      live.generation,
      live.tokenHash,
      live.keyed,
      replay.door === 'window' ? 1 : 0,
      replay.maxReplays,
      replay.withKey,
    ]);
  }

  async revoke(id: string, reason: RevocationReason): Promise<boolean> {
    return this.unitOfWork.run(async () => {
      const { affected } = await this.unitOfWork.manager
        .createQueryBuilder()
        .update(SessionEntity)
        .set({ revokedAt: () => 'now()', revokedReason: reason })
        .where(`id = :id AND revoked_at IS NULL AND absolute_expires_at >= ${this.retained}`, { id })
        .execute();
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
        `SELECT pg_try_advisory_xact_lock(hashtextextended('ratchet clean-up', 0)) AS mine`,
      );
      if (lock?.mine !== true) return null;
      const { affected } = await manager
        .createQueryBuilder()
        .delete()
        .from(SessionEntity)
        .where(
          `id IN (SELECT id FROM sessions WHERE absolute_expires_at < ${this.retained} ORDER BY absolute_expires_at LIMIT :limit::integer FOR UPDATE SKIP LOCKED)`,
          { limit },
        )
        .execute();
      return affected ?? 0;
    });
  }

  async countEnded(): Promise<number> {
    return this.unitOfWork.manager
      .createQueryBuilder(SessionEntity, 'session')
      .where(`session.absoluteExpiresAt < ${this.retained}`)
      .getCount();
  }

  async revokeAll(reason: RevocationReason): Promise<number> {
    return this.unitOfWork.run(async () => {
      let total = 0;
      for (let last: string | null = BEFORE_ALL; last !== null;) {
        const [batch]: { last: string | null; ended: number }[] = await this.unitOfWork.manager.query(
          `WITH batch AS (SELECT id FROM sessions WHERE id > $1 ORDER BY id LIMIT ${BATCH}),
                ended AS (UPDATE sessions SET revoked_at = now(), revoked_reason = $2 FROM batch
                           WHERE sessions.id = batch.id AND revoked_at IS NULL AND expires_at > now() RETURNING 1)
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
      .createQueryBuilder(SessionEntity, 'session')
      .where(`session.id = :id AND session.absoluteExpiresAt >= ${this.retained}`, { id })
      .getOne();
  }

  async countBelowGlobal(version: number): Promise<number> {
    const { manager } = this.unitOfWork;
    try {
      // Within a unit of work a savepoint, so that it survives a count that takes too long.
      return await manager.transaction((inner) =>
        inner
          .createQueryBuilder(SessionEntity, 'session')
          .where('session.revokedAt IS NULL AND session.expiresAt > now()')
          .andWhere('session.globalVersionAtIssuance < :version', { version })
          .getCount(),
      );
    } catch (error) {
      if (!(error instanceof QueryFailedError) || (error.driverError as { code?: string }).code !== QUERY_CANCELED) {
        throw error;
      }
      const [row] = await manager.query<{ rows: number }[]>(
        `SELECT GREATEST(reltuples, 0)::float AS rows FROM pg_class WHERE oid = 'sessions'::regclass`,
      );
      return row?.rows ?? 0;
    }
  }

  async countReuses(userId: string): Promise<number> {
    return this.unitOfWork.manager
      .createQueryBuilder(SessionEntity, 'session')
      .where(`session.userId = :userId AND session.revokedReason = 'reuse_detected'`, { userId })
      .andWhere(`session.revokedAt > now() - interval '${REUSE_MEMORY}'`)
      .andWhere(`session.absoluteExpiresAt >= ${this.retained}`)
      .getCount();
  }

  async lockUser(userId: string): Promise<void> {
    await this.unitOfWork.manager.query(`SELECT pg_advisory_xact_lock(hashtextextended('ratchet user ' || $1, 0))`, [
      userId,
    ]);
  }

  private async revokeLive(
    userId: string,
    reason: RevocationReason,
    choose: (live: SessionEntity[]) => SessionEntity[],
  ): Promise<string[]> {
    return this.unitOfWork.run(async () => {
      const { manager } = this.unitOfWork;
      // Two statements, since only a SELECT can say in which order the rows are locked.
      const live = await this.live(userId).orderBy('session.id').setLock('pessimistic_write').getMany();
      const ids = choose(live).map(({ id }) => id);
      await manager
        .createQueryBuilder()
        .update(SessionEntity)
        .set({ revokedAt: () => 'now()', revokedReason: reason })
        .where('id = ANY(:ids)', { ids })
        .execute();
      return ids;
    });
  }

  private live(userId: string) {
    return this.unitOfWork.manager
      .createQueryBuilder(SessionEntity, 'session')
      .where('session.userId = :userId AND session.revokedAt IS NULL AND session.expiresAt > now()', { userId });
  }

  private async change(name: string, text: string, record: RefreshRecord, values: unknown[]): Promise<boolean> {
    const [{ context }] = record;
    const parameters = [...values, context.occurredAt, context.attemptId, context.ipAddress, context.userAgent];
    for (const event of record) {
      const { type, outcome } = classOf(event);
      parameters.push(event.context.eventId, type, outcome, event.context.generation, detailsOf(event));
    }
    const { rowCount: recorded } = await this.query(name, text, parameters);
    return recorded === record.length;
  }

  private query<Row extends QueryResultRow>(name: string, text: string, values: unknown[]): Promise<QueryResult<Row>> {
    const pool = (this.dataSource.driver as PostgresDriver).master as Pool;
    return pool.query<Row>(this.options.preparedStatements ? { name, text, values } : { text, values });
  }
}

/** Newest use first; of the same moment, the newer session. */
const lastUsedFirst = (one: Session, other: Session): number =>
  other.lastUsedAt.getTime() - one.lastUsedAt.getTime() || (other.id > one.id ? 1 : -1);

/** As PostgreSQL writes a row in JSON: times in ISO 8601, bytes in hex behind `\\x`. */
type RowAsJson = Record<string, unknown>;

/** The refresh's statements, with the names of tables and columns taken from the entities. */
function refreshStatements(dataSource: DataSource, users: UserDirectory, retained: string) {
  const names = <E extends ObjectLiteral>(entity: EntityTarget<E>) => {
    const { tableName, columns } = dataSource.getMetadata(entity);
    const column = Object.fromEntries(columns.map(({ propertyName, databaseName }) => [propertyName, databaseName]));
    return [tableName, column as Record<keyof E, string>] as const;
  };
  const readOfType = (wanted: string): string[] => {
    const { columns } = dataSource.getMetadata(SessionEntity);
    return READ_BY_REFRESH.filter((name) =>
      columns.some((column) => column.propertyName === name && column.type === wanted),
    );
  };
  const [sessions, s] = names(SessionEntity);
  const [policies, p] = names(SecurityPolicyEntity);
  const [floors, f] = names(UserTokenVersionEntity);
  const [events, e] = names(AuthEventEntity);
  const user = users.joinable;

  // As one JSON column, since to pg a column costs more than its value: with every answer it makes a parser for each.
  const find = `
    SELECT row_to_json(found) AS row FROM (
    SELECT ${READ_BY_REFRESH.map((property) => `s.${s[property]} AS "${property}"`).join(', ')},
           now() AS "now",
           COALESCE(f.${f.minTokenVersion}, 1) AS "userMinTokenVersion",
           p.${p.id} IS NOT NULL AS "hasPolicy",
           p.${p.globalMinTokenVersion} AS "globalMinTokenVersion",
           p.${p.mode} AS "mode",
           p.${p.graceEndsAt} AS "graceEndsAt"
           ${user ? `, u."${user.id}" IS NOT NULL AS "hasUser", u."${user.email}" AS "email", u."${user.roles}" AS "roles", u."${user.isActive}" AS "isActive"` : ''}
      FROM ${sessions} s
      LEFT JOIN ${floors} f ON f.${f.userId} = s.${s.userId}
      LEFT JOIN ${policies} p ON p.${p.id} = 1
      ${user ? `LEFT JOIN "${user.table}" u ON u."${user.id}" = s.${s.userId}` : ''}
     WHERE s.${s.id} = $1 AND s.${s.absoluteExpiresAt} >= ${retained}
    ) found`;

  const times = [...readOfType('timestamptz'), 'now', 'graceEndsAt'];
  const bytes = readOfType('bytea');
  const rowOf = (json: RowAsJson): RefreshRow => {
    for (const name of times) if (json[name] !== null) json[name] = new Date(json[name] as string);
    for (const name of bytes) if (json[name] !== null) json[name] = Buffer.from((json[name] as string).slice(2), 'hex');
    return json as unknown as RefreshRow;
  };

  const stillLive = `${s.id} = $1 AND ${s.generation} = $2 AND ${s.tokenHash} = $3 AND ${s.revokedAt} IS NULL AND ${s.expiresAt} > now()`;

  /** The change, and its two events from the changed row, in one statement; `first` is the number of the first event parameter. */
  const withRecord = (update: string, first: number) => {
    const $ = (offset: number, type: string) => `$${first + offset}::${type}`;
    const event = (at: number) =>
      `(${$(at, 'uuid')}, ${$(at + 1, 'text')}, ${$(at + 2, 'text')}, ${$(at + 3, 'bigint')}, ${$(at + 4, 'jsonb')})`;
    return `
      WITH changed AS (${update} RETURNING ${s.id} AS session_id, ${s.userId} AS user_id)
      INSERT INTO ${events} (${e.id}, ${e.type}, ${e.outcome}, ${e.generation}, ${e.details},
                             ${e.userId}, ${e.sessionId}, ${e.occurredAt}, ${e.attemptId}, ${e.ipAddress}, ${e.userAgent})
      SELECT event.*, changed.user_id, changed.session_id, ${$(0, 'timestamptz')}, ${$(1, 'uuid')}, ${$(2, 'inet')}, ${$(3, 'text')}
        FROM changed, (VALUES ${event(4)}, ${event(9)}) AS event`;
  };

  const rotate = withRecord(
    `UPDATE ${sessions}
        SET ${s.generation} = ${s.generation} + 1,
            ${s.tokenHash} = $4,
            ${s.previousTokenHash} = ${s.tokenHash},
            ${s.successorNonce} = $5,
            ${s.keyId} = $6,
            ${s.retryKeyHash} = $7::bytea,
            ${s.keyed} = ${s.keyed} OR $7::bytea IS NOT NULL,
            ${s.replayCount} = 0,
            ${s.rotatedAt} = now(),
            ${s.lastUsedAt} = now(),
            ${s.tokenVersion} = $8,
            ${s.globalVersionAtIssuance} = $9,
            ${s.expiresAt} = LEAST($10::timestamptz, ${s.absoluteExpiresAt}),
            ${s.lastUserAgent} = $11,
            ${s.lastIpAddress} = $12
      WHERE ${stillLive}`,
    13,
  );

  const confirmReplay = withRecord(
    `UPDATE ${sessions}
        SET ${s.replayCount} = ${s.replayCount} + $5::integer,
            ${s.keyed} = ${s.keyed} OR $7::boolean
      WHERE ${stillLive} AND ${s.keyed} = $4 AND ($5::integer = 0 OR ${s.replayCount} < $6::integer)`,
    8,
  );

  return { find, rowOf, rotate, confirmReplay };
}
