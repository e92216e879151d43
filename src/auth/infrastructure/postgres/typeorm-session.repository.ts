import { Injectable } from '@nestjs/common';
import DataLoader from 'dataloader';
import type { QueryResult, QueryResultRow } from 'pg';
import type { EntityManager, EntitySchema, SelectQueryBuilder } from 'typeorm';
import { NIL as BEFORE_ALL } from 'uuid';
import { RevocationFeed } from '../../../guard/ports/revocation.feed';
import type { PagePosition } from '../../../support/cursor';
import type { Binding } from '../../domain/binding';
import { detailsOf } from '../../domain/events';
import type { RevocationReason } from '../../domain/refusals';
import type { NewProof, NewSession, Session } from '../../domain/session';
import { AuthOptions } from '../../options/auth.options';
import { PostgresSettings } from '../../options/postgres.settings';
import { AuthMetrics } from '../../ports/auth-metrics';
import {
  type CrowdedUsers,
  type LiveToken,
  type NextToken,
  type RefreshReading,
  type RefreshRecord,
  type Replay,
  type SessionPage,
  SessionRepository,
  type SomeSessions,
} from '../../ports/session.repository';
import { UserDirectory } from '../../ports/user-directory';
import { onPool } from './host-settings';
import { microsecondsOf } from './microseconds';
import { type Names, names } from './names';
import { withPolicy } from './policy-row';
import { type FoundForRefresh, READ_TOGETHER, refreshStatements, type Statement } from './refresh-statements';
import { securityPolicyEntity, type SecurityPolicyRow } from './security-policy.entity';
import { SharedRotations } from './shared-rotations';
import { sessionEntity } from './session.entity';
import { failedWith } from './sql-state';
import { TypeOrmUnitOfWork } from './typeorm-unit-of-work';
import { userTokenVersionEntity, type UserTokenVersionRow } from './user-token-version.entity';

const REUSE_MEMORY = '24 hours';
/** What one statement ends is done in time, however many there are. */
const BATCH = 10_000;
/** How many users one statement looks at for sessions that are not marked. */
const FLOORS_AT_ONCE = 1000;
/** Of how many opened sessions one statement looks at the users. */
const OPENED_AT_ONCE = 1000;
const ONE_DAY = 24 * 60 * 60;
const QUERY_CANCELED = '57014';

/** Where a walk through the raised floors has arrived. */
interface FloorPlace {
  readonly userId: string;
  readonly raisedAt: string;
}

/**
 * The session rows in PostgreSQL. The refresh's read and its two writes are named prepared statements on the pool that
 * TypeORM owns: prepared they cost about half of what `DataSource.query` costs. Everything else is TypeORM as usual.
 */
@Injectable()
export class TypeOrmSessionRepository extends SessionRepository {
  private readonly names: Names;
  private readonly entity: EntitySchema<Session>;
  private readonly floor: EntitySchema<UserTokenVersionRow>;
  private readonly policy: EntitySchema<SecurityPolicyRow>;
  private readonly rotations = new SharedRotations(
    (batch) => this.rotateTogether(batch),
    (values) => this.change(this.statements.rotate, values),
  );
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
    private readonly unitOfWork: TypeOrmUnitOfWork,
    private readonly feed: RevocationFeed,
    private readonly settings: PostgresSettings,
    users: UserDirectory,
    private readonly options: AuthOptions,
    private readonly metrics: AuthMetrics,
  ) {
    super();
    this.names = names(settings.schema);
    this.entity = sessionEntity(this.names);
    this.floor = userTokenVersionEntity(this.names);
    this.policy = securityPolicyEntity(this.names);
    this.retained = `now() - interval '${options.sessionRetentionSeconds} seconds'`;
    this.statements = refreshStatements(this.names, users, this.retained);
  }

  async open(session: NewSession): Promise<Session> {
    const { idleTtlSeconds, absoluteTtlSeconds, ...columns } = session;
    const inserted = await this.unitOfWork.ownManager
      .createQueryBuilder()
      .insert()
      .into(this.entity)
      .values({
        ...columns,
        claims: columns.claims as never, // TypeORM's type knows no values of an unknown type
        expiresAt: () => `now() + make_interval(secs => LEAST(:idleTtl::integer, :absoluteTtl::integer))`,
        absoluteExpiresAt: () => `now() + make_interval(secs => :absoluteTtl::integer)`,
      })
      .setParameters({ idleTtl: idleTtlSeconds, absoluteTtl: absoluteTtlSeconds })
      .returning(Object.keys(this.entity.options.columns))
      .execute();
    return inserted.generatedMaps[0] as Session;
  }

  findForRefresh(id: string): Promise<RefreshReading | null> {
    return this.readings.load(id);
  }

  async rotate(live: LiveToken, next: NextToken, record: RefreshRecord): Promise<boolean> {
    // The shared statement writes no proof: a step-up is the adoption of the row's own token.
    if (next.proof !== undefined) return this.adopt(live, live, next, record);
    return this.rotations.write(live.id, rotationOf(live, next, record));
  }

  async adopt(
    live: LiveToken,
    { generation, tokenHash }: Pick<LiveToken, 'generation' | 'tokenHash'>,
    next: NextToken,
    record: RefreshRecord,
  ): Promise<boolean> {
    const values = [...rotationOf(live, next, record), generation, tokenHash, ...proofOf(next.proof)];
    return next.proof === undefined
      ? this.change(this.statements.adopt, values)
      : this.changeInUnitOfWork(this.statements.adopt, values);
  }

  async confirmReplay(live: LiveToken, replay: Replay, record: RefreshRecord): Promise<boolean> {
    const { door, maxReplays, retryKeyHash, proof } = replay;
    const given = [live.keyed, door === 'window' ? 1 : 0, maxReplays, retryKeyHash, ...proofOf(proof)];
    const values = changeOf(live, given, record);
    return proof === undefined
      ? this.change(this.statements.confirmReplay, values)
      : this.changeInUnitOfWork(this.statements.confirmReplay, values);
  }

  async revoke(
    id: string,
    reason: RevocationReason,
    asRead?: Pick<LiveToken, 'generation' | 'tokenHash'>,
  ): Promise<boolean> {
    return this.unitOfWork.run(async () => {
      const update = this.unitOfWork.ownManager
        .createQueryBuilder()
        .update(this.entity)
        .set({ revokedAt: () => 'now()', revokedReason: reason })
        .where(`id = :id AND revoked_at IS NULL AND absolute_expires_at >= ${this.retained}`, { id })
        .andWhere(
          `token_version >= COALESCE((SELECT ended_below FROM ${this.names.floors} floor WHERE floor.user_id = ${this.names.sessions}.user_id), 0)`,
        );
      if (asRead) {
        const { generation, tokenHash } = asRead;
        update.andWhere('generation = :generation AND token_hash = :tokenHash', { generation, tokenHash });
      }
      const { affected } = await update.execute();
      if (affected !== 1) return false;
      // A token below a floor is refused by every guard already, unless it is of a refresh that a failover has lost.
      if (reason !== 'token_version_rejected' || (await this.isRecovering()))
        await this.feed.announce([{ kind: 'session', sessionId: id }], reason);
      return true;
    });
  }

  private async isRecovering(): Promise<boolean> {
    const policies = this.unitOfWork.ownManager.createQueryBuilder(this.policy, 'policy');
    return (await policies.where('policy.recoveryUntil > now()').getCount()) > 0;
  }

  rename(id: string, deviceName: string | null): Promise<boolean> {
    return this.changeLive(id, () => true, { deviceName });
  }

  bind({ id, generation }: Pick<Session, 'id' | 'generation'>, binding: Binding): Promise<boolean> {
    return this.changeLive(id, (live) => live.binding === null && live.generation === generation, { binding });
  }

  /** Sets columns of a live session that no refresh writes. */
  private changeLive(
    id: string,
    mayChange: (live: Session) => boolean,
    values: Partial<Pick<Session, 'deviceName' | 'binding'>>,
  ): Promise<boolean> {
    return this.unitOfWork.run(async () => {
      const live = await this.live()
        .andWhere('session.id = :id', { id })
        .setLock('pessimistic_write', undefined, ['session'])
        .getOne();
      if (live === null || !mayChange(live)) return false;
      await this.unitOfWork.ownManager
        .createQueryBuilder()
        .update(this.entity)
        .set(values)
        .where('id = :id', { id })
        .execute();
      return true;
    });
  }

  async revokeSome(which: SomeSessions, reason: RevocationReason, limit: number): Promise<string[]> {
    return this.unitOfWork.run(async () => {
      const chosen = await this.choose(which, limit);
      if (chosen.length === 0) return [];
      // Only a SELECT can say in which order the rows are locked.
      const live = await this.liveOf(which.userId)
        .andWhere('session.id = ANY(:chosen)', { chosen })
        .orderBy('session.id')
        .setLock('pessimistic_write', undefined, ['session'])
        .getMany();
      const ended = live.map(({ id }) => id);
      await this.unitOfWork.ownManager
        .createQueryBuilder()
        .update(this.entity)
        .set({ revokedAt: () => 'now()', revokedReason: reason })
        .where('id = ANY(:ended)', { ended })
        .execute();
      await this.feed.announce(
        ended.map((sessionId) => ({ kind: 'session', sessionId })),
        reason,
      );
      return ended;
    });
  }

  async findCrowdedUsers(max: number, after: string | null): Promise<CrowdedUsers> {
    const { sessions } = this.names;
    const { ownManager: manager } = this.unitOfWork;
    const [opened]: { next: string | null; userIds: string[] | null }[] = await manager.query(
      // A UUIDv7 begins with its time: 48 bits of milliseconds (RFC 9562, section 5.7).
      `WITH opened AS (SELECT id, user_id FROM ${sessions}
                        WHERE id > COALESCE($1, rpad(lpad(to_hex(floor(extract(epoch FROM now()) * 1000)::bigint - ${ONE_DAY * 1000}), 12, '0'), 32, '0')::uuid)
                        ORDER BY id LIMIT ${OPENED_AT_ONCE})
       SELECT (SELECT id FROM opened ORDER BY id OFFSET ${OPENED_AT_ONCE - 1}) AS next,
              (SELECT array_agg(DISTINCT user_id) FROM opened) AS "userIds"`,
      [after],
    );
    if (!opened?.userIds) return { userIds: [], next: null };
    const crowded = await this.live()
      .andWhere('session.userId = ANY(:userIds)', opened)
      .select('session.userId', 'userId')
      .groupBy('session.userId')
      .having('count(*) > :max', { max })
      .getRawMany<{ userId: string }>();
    return { userIds: crowded.map(({ userId }) => userId), next: opened.next };
  }

  async countLiveOfUser(userId: string): Promise<number> {
    return countOf(this.liveOf(userId));
  }

  async findLiveOfUser(userId: string, limit: number, after?: PagePosition): Promise<SessionPage> {
    const page = this.liveOf(userId)
      .addSelect(microsecondsOf('session.last_used_at'), 'time')
      .orderBy('session.lastUsedAt', 'DESC')
      .addOrderBy('session.id', 'DESC')
      .limit(limit + 1); // the extra row says whether there is a next page
    if (after !== undefined)
      page.andWhere(
        `(session.lastUsedAt, session.id) < (timestamptz 'epoch' + :time * interval '1 microsecond', :id)`,
        after,
      );
    const { entities, raw } = await page.getRawAndEntities<{ time: number }>();
    const [last, time] = [entities[limit - 1], raw[limit - 1]?.time];
    const isLast = entities.length <= limit || last === undefined || time === undefined;
    return { items: entities.slice(0, limit), next: isLast ? null : { time, id: last.id } };
  }

  async deleteEnded(limit: number): Promise<number | null> {
    return this.unitOfWork.run(async () => {
      const { ownManager: manager } = this.unitOfWork;
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
    return this.unitOfWork.ownManager
      .createQueryBuilder(this.entity, 'session')
      .where(`session.absoluteExpiresAt < ${this.retained}`)
      .getCount();
  }

  async markEnded(userId: string | null, stop?: AbortSignal): Promise<number> {
    if (userId !== null) return this.markEndedOf(userId, stop);
    const { sessions, floors } = this.names;
    let total = 0;
    for (let after: FloorPlace | undefined; !stop?.aborted;) {
      const page: (FloorPlace & { unmarked: boolean })[] = await this.unitOfWork.ownManager.query(
        // JSON keeps the microseconds, whatever DateStyle says.
        `SELECT floor.user_id AS "userId", to_json(floor.raised_at) #>> '{}' AS "raisedAt",
                EXISTS (SELECT FROM ${sessions} session WHERE session.user_id = floor.user_id
                           AND session.revoked_at IS NULL AND session.token_version < floor.ended_below) AS unmarked
           FROM ${floors} floor
          WHERE floor.ended_below > 0 AND (floor.raised_at, floor.user_id) > (COALESCE($1::timestamptz, now() - make_interval(secs => $2::integer)), $3)
          ORDER BY floor.raised_at, floor.user_id LIMIT ${FLOORS_AT_ONCE}`,
        [after?.raisedAt, this.options.sessionAbsoluteTtlSeconds + ONE_DAY, after?.userId ?? ''],
      );
      for (const one of page) if (one.unmarked) total += await this.markEndedOf(one.userId, stop);
      if (page.length < FLOORS_AT_ONCE) break;
      after = page.at(-1);
    }
    return total;
  }

  async revokeBelowGlobal(version: number, reason: RevocationReason): Promise<number> {
    const { sessions } = this.names;
    let total = 0;
    for (let last: string | null = BEFORE_ALL; last !== null;) {
      const [batch]: { last: string | null; ended: number }[] = await this.unitOfWork.run(() =>
        this.unitOfWork.ownManager.query(
          `WITH batch AS (SELECT id FROM ${sessions} WHERE id > $1 ORDER BY id LIMIT ${BATCH}),
                ended AS (UPDATE ${sessions} session SET revoked_at = now(), revoked_reason = $2 FROM batch
                           WHERE session.id = batch.id AND revoked_at IS NULL AND expires_at > now()
                             AND global_version_at_issuance < $3 RETURNING 1)
           SELECT (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS last, (SELECT count(*)::integer FROM ended) AS ended`,
          [last, reason, version],
        ),
      );
      total += batch?.ended ?? 0;
      last = batch?.last ?? null;
    }
    return total;
  }

  async findById(id: string): Promise<Session | null> {
    return this.unitOfWork.ownManager
      .createQueryBuilder(this.entity, 'session')
      .where(`session.id = :id AND session.absoluteExpiresAt >= ${this.retained}`, { id })
      .getOne();
  }

  async countBelowGlobal(version: number): Promise<number> {
    try {
      // A savepoint, so that a unit of work around it survives a count that takes too long.
      const count = (manager: EntityManager) =>
        countOf(this.aboveUserFloor(manager).andWhere('session.globalVersionAtIssuance < :version', { version }));
      return await this.unitOfWork.run(() => this.unitOfWork.ownManager.transaction(count));
    } catch (error) {
      if (!failedWith(error, QUERY_CANCELED)) throw error;
      return this.estimate();
    }
  }

  async estimate(): Promise<number> {
    const [row] = await this.unitOfWork.ownManager.query<{ rows: number }[]>(
      `SELECT GREATEST(reltuples, 0)::float AS rows FROM pg_class WHERE oid = '${this.names.sessions}'::regclass`,
    );
    return row?.rows ?? 0;
  }

  async countReuses(userId: string): Promise<number> {
    const query = this.withFloor(this.unitOfWork.ownManager)
      .where('session.userId = :userId', { userId })
      .andWhere('(session.revokedAt IS NOT NULL OR session.tokenVersion < floor.endedBelow)')
      .andWhere(`COALESCE(session.revokedReason, floor.endedReason) = 'reuse_detected'`)
      .andWhere(`COALESCE(session.revokedAt, floor.raisedAt) > now() - interval '${REUSE_MEMORY}'`)
      .andWhere(`session.absoluteExpiresAt >= ${this.retained}`);
    return countOf(query);
  }

  async lockUser(userId: string): Promise<void> {
    await this.unitOfWork.ownManager.query(
      `SELECT pg_advisory_xact_lock(hashtextextended('${this.names.lock('user ')}' || $1, 0))`,
      [userId],
    );
  }

  private async markEndedOf(userId: string, stop?: AbortSignal): Promise<number> {
    const { sessions, floors } = this.names;
    let total = 0;
    for (let last: string | null = BEFORE_ALL; last !== null && !stop?.aborted;) {
      const [batch]: { last: string | null; marked: number }[] = await this.unitOfWork.run(() =>
        this.unitOfWork.ownManager.query(
          // The time of the end, not of the mark, since reuses are counted by it.
          `WITH due AS (
             SELECT session.id, floor.ended_reason, GREATEST(session.created_at, floor.raised_at) AS ended_at
               FROM ${sessions} session JOIN ${floors} floor ON floor.user_id = session.user_id
              WHERE session.user_id = $1 AND session.id > $2 AND session.revoked_at IS NULL AND session.token_version < floor.ended_below
              ORDER BY session.id LIMIT ${BATCH} FOR UPDATE OF session SKIP LOCKED),
           marked AS (
             UPDATE ${sessions} session SET revoked_at = due.ended_at, revoked_reason = due.ended_reason
               FROM due WHERE session.id = due.id RETURNING 1)
           SELECT (SELECT id FROM due ORDER BY id DESC LIMIT 1) AS last, (SELECT count(*)::integer FROM marked) AS marked`,
          [userId, last],
        ),
      );
      total += batch?.marked ?? 0;
      last = batch?.last ?? null;
    }
    return total;
  }

  /** The sessions of which {@link revokeSome} ends those that are still live when it has locked them. */
  private async choose(which: SomeSessions, limit: number): Promise<string[]> {
    const live = this.liveOf(which.userId).select('session.id', 'id');
    if ('except' in which) {
      live.andWhere('session.id <> :except', which).orderBy('session.id').limit(limit);
    } else {
      const excess = (await this.countLiveOfUser(which.userId)) - which.keepLastUsed;
      if (excess <= 0) return [];
      live.orderBy('session.lastUsedAt').addOrderBy('session.id').limit(Math.min(excess, limit));
    }
    return (await live.getRawMany<{ id: string }>()).map(({ id }) => id);
  }

  /**
   * What "live" means for every list, count and ending, whatever has been marked: neither revoked nor expired, and
   * `isHonoured` in SQL. A missing policy has its defaults, which honour every stamp.
   */
  private live(): SelectQueryBuilder<Session> {
    return (
      this.aboveUserFloor(this.unitOfWork.ownManager)
        .leftJoin(this.policy.options.name, 'policy', 'policy.id = 1')
        // In one line each, since TypeORM finds a property only before a blank or a bracket.
        .andWhere(
          '(policy.id IS NULL OR session.globalVersionAtIssuance >= policy.globalMinTokenVersion OR ' +
            "(policy.mode <> 'immediate' AND now() <= policy.graceEndsAt AND session.globalVersionAtIssuance = policy.globalMinTokenVersion - 1))",
        )
    );
  }

  private liveOf(userId: string): SelectQueryBuilder<Session> {
    return this.live().andWhere('session.userId = :userId', { userId });
  }

  /** All of "live" except for the global floor, which a rotation has just raised when it counts what it affects. */
  private aboveUserFloor(manager: EntityManager): SelectQueryBuilder<Session> {
    return this.withFloor(manager)
      .where('session.revokedAt IS NULL AND session.expiresAt > now()')
      .andWhere('session.tokenVersion >= COALESCE(floor.minTokenVersion, 1)');
  }

  private withFloor(manager: EntityManager): SelectQueryBuilder<Session> {
    return manager
      .createQueryBuilder(this.entity, 'session')
      .leftJoin(this.floor.options.name, 'floor', 'floor.userId = session.userId');
  }

  private async change(statement: Statement, values: readonly unknown[]): Promise<boolean> {
    const { rowCount: recorded } = await this.query(statement, values);
    return recorded === 1;
  }

  /** The same for a change that commits together with others: through TypeORM, which holds the transaction. */
  private async changeInUnitOfWork({ text }: Statement, values: readonly unknown[]): Promise<boolean> {
    // TypeORM returns the rows of an insert, and not their number.
    const recorded: unknown[] = await this.unitOfWork.ownManager.query(`${text} RETURNING 1`, [...values]);
    return recorded.length === 1;
  }

  private async rotateTogether(batch: readonly (readonly unknown[])[]): Promise<ReadonlySet<number>> {
    this.metrics.rotationBatch(batch.length);
    const arrays = batch[0]?.map((_, column) => batch.map((values) => values[column])) ?? [];
    const { rows } = await this.query<{ places: number[] | null }>(this.statements.rotateTogether, arrays);
    return new Set(rows[0]?.places?.map((place) => place - 1)); // ordinality counts from 1
  }

  private async read(ids: readonly string[]): Promise<(RefreshReading | null)[]> {
    const statement = this.statements.find(ids.length);
    const wanted = Array.from({ length: statement.count }, (_, place) => ids[place] ?? null);
    const rows = await withPolicy(this.unitOfWork.dataSource, this.names, async () => {
      const { rows } = await this.query<FoundForRefresh>(statement, wanted);
      return rows.every(({ row }) => row.hasPolicy) ? rows : null;
    });
    const readings: (RefreshReading | null)[] = ids.map(() => null);
    for (const { place, row } of rows) readings[place] = this.statements.readingOf(row);
    return readings;
  }

  private query<Row extends QueryResultRow>(
    { name, text }: Statement,
    given: readonly unknown[],
  ): Promise<QueryResult<Row>> {
    const values = given as unknown[]; // pg's types are stricter than pg
    return onPool<Row>(
      this.unitOfWork.dataSource,
      this.settings.preparedStatements ? { name, text, values } : { text, values },
    );
  }
}

/** The values of a change and of its record, which is one row and both events, in the order of the statements. */
function changeOf(live: LiveToken, values: readonly unknown[], [, succeeded]: RefreshRecord): readonly unknown[] {
  const { eventId, occurredAt, attemptId, generation, ipAddress, userAgent } = succeeded.context;
  return [
    ...[live.id, live.generation, live.tokenHash, ...values],
    ...[eventId, occurredAt, attemptId, generation, ipAddress, userAgent, detailsOf(succeeded)],
  ];
}

const rotationOf = (live: LiveToken, next: NextToken, record: RefreshRecord): readonly unknown[] =>
  changeOf(
    live,
    [
      next.tokenHash,
      next.successorNonce,
      next.keyId,
      next.retryKeyHash,
      next.tokenVersion,
      next.globalVersionAtIssuance,
      next.expiresAt,
      next.userAgent,
      next.ipAddress,
    ],
    record,
  );

/** Three nulls, and the row keeps what it has. */
const proofOf = (proof: NewProof | undefined): readonly unknown[] => [
  proof?.authTime ?? null,
  proof?.amr ?? null,
  proof?.acr ?? null,
];

/** Not `getCount()`, which counts distinct ids as soon as there is a join: a sort of all of them. */
async function countOf(query: SelectQueryBuilder<Session>): Promise<number> {
  const row = await query.select('count(*)::integer', 'count').getRawOne<{ count: number }>();
  return row?.count ?? 0;
}
