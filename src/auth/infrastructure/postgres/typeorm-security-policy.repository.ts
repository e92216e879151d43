import { Injectable } from '@nestjs/common';
import type { EntitySchema } from 'typeorm';
import type { Floors, SecurityPolicy } from '../../../guard/versions';
import { AuthOptions } from '../../options/auth.options';
import { type GlobalRaise, SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { PostgresRevocationFeed } from './postgres-revocation.feed';
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
    private readonly feed: PostgresRevocationFeed,
    options: AuthOptions,
  ) {
    super();
    this.names = names(options.schema);
    this.policies = securityPolicyEntity(this.names);
    this.userFloors = userTokenVersionEntity(this.names);
  }

  async floorsOf(userId: string): Promise<{ floors: Floors; now: Date }> {
    const { now, ...floors } = await withPolicy(this.unitOfWork.manager, this.names, async () =>
      this.unitOfWork.manager
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
    return withPolicy(this.unitOfWork.manager, this.names, async () => {
      const { entities, raw } = await this.unitOfWork.manager
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

  async raiseUserFloor(userId: string, reason: string): Promise<number> {
    return this.unitOfWork.run(async () => {
      const [row] = await this.unitOfWork.manager.query<{ min_token_version: number }[]>(
        `INSERT INTO ${this.names.floors} AS floor (user_id, min_token_version, reason) VALUES ($1, 2, $2)
         ON CONFLICT (user_id) DO UPDATE
           SET min_token_version = floor.min_token_version + 1, raised_at = now(), reason = excluded.reason
         RETURNING min_token_version`,
        [userId, reason],
      );
      if (row === undefined) throw new Error('An upsert returned no row');
      await this.feed.announce([{ kind: 'user', userId, minVersion: row.min_token_version }], reason);
      return row.min_token_version;
    });
  }

  async raiseGlobalFloor(raise: GlobalRaise): Promise<SecurityPolicy | null> {
    const { mode, gracePeriodSeconds, reason, expectedVersion, by } = raise;
    return this.unitOfWork.run(async () => {
      await createPolicy(this.unitOfWork.manager, this.names);
      const { affected } = await this.unitOfWork.manager
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

  async setGracePeriod(seconds: number): Promise<{ previousSeconds: number; policy: SecurityPolicy }> {
    return this.unitOfWork.run(async () => {
      await createPolicy(this.unitOfWork.manager, this.names);
      const { gracePeriodSeconds: previousSeconds } = await this.unitOfWork.manager.findOneOrFail(this.policies, {
        where: { id: POLICY_ID },
        lock: { mode: 'pessimistic_write' },
      });
      await this.unitOfWork.manager
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
