import { Injectable } from '@nestjs/common';
import type { EntitySchema } from 'typeorm';
import { RevocationFeed } from '../../../guard/ports/revocation.feed';
import type { Floors, SecurityPolicy } from '../../../guard/versions';
import type { RevocationReason } from '../../domain/refusals';
import { PostgresSettings } from '../../options/postgres.settings';
import { type GlobalRaise, type MovedRecovery, SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { type Names, names } from './names';
import { createPolicy, UnseenPolicy, withPolicy } from './policy-row';
import { securityPolicyEntity, type SecurityPolicyRow } from './security-policy.entity';
import { TypeOrmUnitOfWork } from './typeorm-unit-of-work';
import { userTokenVersionEntity, type UserTokenVersionRow } from './user-token-version.entity';

const POLICY_ID = 1;

@Injectable()
export class TypeOrmSecurityPolicyRepository extends SecurityPolicyRepository {
  private readonly names: Names;
  private readonly policies: EntitySchema<SecurityPolicyRow>;
  private readonly userFloors: EntitySchema<UserTokenVersionRow>;

  constructor(
    private readonly unitOfWork: TypeOrmUnitOfWork,
    private readonly feed: RevocationFeed,
    { schema }: PostgresSettings,
  ) {
    super();
    this.names = names(schema);
    this.policies = securityPolicyEntity(this.names);
    this.userFloors = userTokenVersionEntity(this.names);
  }

  async floorsOf(userId: string): Promise<{ floors: Floors; now: Date }> {
    const { now, ...floors } = await withPolicy(this.unitOfWork.ownManager, this.names, async () =>
      this.unitOfWork.ownManager
        .createQueryBuilder(this.policies, 'policy')
        .leftJoin(this.userFloors.options.name, 'floor', 'floor.userId = :userId', { userId })
        .select('policy.globalMinTokenVersion', 'globalMinTokenVersion')
        .addSelect('policy.mode', 'mode')
        .addSelect('policy.graceEndsAt', 'graceEndsAt')
        .addSelect('COALESCE(floor.minTokenVersion, 1)', 'userMinTokenVersion')
        .addSelect('now()', 'now')
        .where('policy.id = :id', { id: POLICY_ID })
        .getRawOne<Floors & { now: Date }>()
        .then((row) => row ?? null),
    );
    return { floors, now };
  }

  async read(): Promise<{ policy: SecurityPolicy; now: Date }> {
    return withPolicy(this.unitOfWork.ownManager, this.names, async () => {
      const { entities, raw } = await this.unitOfWork.ownManager
        .createQueryBuilder(this.policies, 'policy')
        .addSelect('now()', 'now')
        .where('policy.id = :id', { id: POLICY_ID })
        .getRawAndEntities<{ now: Date }>();
      const [policy] = entities;
      const [row] = raw;
      if (policy === undefined || row === undefined) return null;
      const { id: _id, ...rest } = policy;
      return { policy: rest, now: row.now };
    });
  }

  async raiseUserFloor(userId: string, reason: string, ended: RevocationReason | null): Promise<number> {
    const raised = await this.raise(null, userId, reason, ended);
    if (raised === null) throw new Error('An upsert returned no row');
    return raised;
  }

  async raiseUserFloorFrom(
    from: number,
    userId: string,
    reason: string,
    ended: RevocationReason | null,
  ): Promise<number | null> {
    return this.raise(from, userId, reason, ended);
  }

  /** A user without a row has floor 1: only from there may a row be created. */
  private async raise(
    from: number | null,
    userId: string,
    reason: string,
    ended: RevocationReason | null,
  ): Promise<number | null> {
    return this.unitOfWork.run(async () => {
      const [row] = await this.unitOfWork.ownManager.query<{ min_token_version: number }[]>(
        `INSERT INTO ${this.names.floors} AS floor (user_id, min_token_version, reason, ended_below, ended_reason)
         SELECT $1::text, 2, $2::text, CASE WHEN $3::text IS NULL THEN 0 ELSE 2 END, $3
          WHERE $4::integer IS NULL OR $4 = 1 OR EXISTS (SELECT FROM ${this.names.floors} WHERE user_id = $1)
         ON CONFLICT (user_id) DO UPDATE
           SET min_token_version = floor.min_token_version + 1, raised_at = now(), reason = excluded.reason,
               ended_below = CASE WHEN $3 IS NULL THEN floor.ended_below ELSE floor.min_token_version + 1 END,
               ended_reason = COALESCE($3, floor.ended_reason)
           WHERE $4 IS NULL OR floor.min_token_version = $4
         RETURNING min_token_version`,
        [userId, reason, ended, from],
      );
      if (row === undefined) return null;
      await this.feed.announce([{ kind: 'user', userId, minVersion: row.min_token_version }], reason);
      return row.min_token_version;
    });
  }

  async raiseGlobalFloor(raise: GlobalRaise): Promise<SecurityPolicy | null> {
    const { mode, gracePeriodSeconds, reason, expectedVersion, by } = raise;
    return this.unitOfWork.run(async () => {
      await createPolicy(this.unitOfWork.ownManager, this.names);
      const { affected } = await this.unitOfWork.ownManager
        .createQueryBuilder()
        .update(this.policies)
        .set({
          globalMinTokenVersion: () => 'global_min_token_version + :by::integer',
          mode,
          graceEndsAt: () =>
            `CASE WHEN :immediate THEN NULL ELSE now() + make_interval(secs => COALESCE(:grace::integer, grace_period_seconds)) END`,
          lastRotationAt: () => 'clock_timestamp()',
          lastRotationReason: reason,
          updatedAt: () => 'clock_timestamp()',
        })
        .where('id = :id AND global_min_token_version = COALESCE(:expected::integer, global_min_token_version)')
        .setParameters({
          id: POLICY_ID,
          expected: expectedVersion,
          by,
          immediate: mode === 'immediate',
          grace: gracePeriodSeconds,
        })
        .execute();
      if (affected !== 1) {
        if (expectedVersion === null) throw new UnseenPolicy();
        return null;
      }
      const { policy } = await this.read();
      await this.feed.announce([], reason, policy);
      return policy;
    });
  }

  async moveRecovery(seconds: number): Promise<MovedRecovery> {
    return this.unitOfWork.run(async () => {
      const { ownManager: manager } = this.unitOfWork;
      await createPolicy(manager, this.names);
      const before = await manager
        .createQueryBuilder(this.policies, 'policy')
        .select('policy.recoveryUntil', 'until')
        .where('policy.id = :id', { id: POLICY_ID })
        .setLock('pessimistic_write')
        .getRawOne<{ until: Date | null }>();
      const moved = await manager
        .createQueryBuilder()
        .update(this.policies)
        .set({ recoveryUntil: () => 'now() + make_interval(secs => :seconds::integer)' })
        .where('id = :id AND (:seconds::integer > 0 OR recovery_until > now())', { id: POLICY_ID })
        .setParameters({ seconds })
        .returning('recovery_until')
        .execute();
      if (before === undefined) throw new UnseenPolicy();
      const [row] = moved.raw as { recovery_until: Date }[];
      return { previousUntil: before.until, recoveryUntil: row?.recovery_until ?? before.until };
    });
  }

  async setGracePeriod(seconds: number): Promise<{ previousSeconds: number; policy: SecurityPolicy }> {
    return this.unitOfWork.run(async () => {
      await createPolicy(this.unitOfWork.ownManager, this.names);
      const { gracePeriodSeconds: previousSeconds } = await this.unitOfWork.ownManager.findOneOrFail(this.policies, {
        where: { id: POLICY_ID },
        lock: { mode: 'pessimistic_write' },
      });
      await this.unitOfWork.ownManager
        .createQueryBuilder()
        .update(this.policies)
        .set({ gracePeriodSeconds: seconds, updatedAt: () => 'clock_timestamp()' })
        .where('id = :id', { id: POLICY_ID })
        .execute();
      const { policy } = await this.read();
      await this.feed.announce([], 'grace_period', policy);
      return { previousSeconds, policy };
    });
  }
}
