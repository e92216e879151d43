import { type Floors, type GlobalRaise, type SecurityPolicy, SecurityPolicyRepository } from '../index';
import type { InMemoryRevocationFeed } from './in-memory-revocation.feed';
import type { InMemoryStore } from './in-memory-store';

export class InMemorySecurityPolicyRepository extends SecurityPolicyRepository {
  constructor(
    private readonly store: InMemoryStore,
    private readonly feed: InMemoryRevocationFeed,
  ) {
    super();
  }

  read(): Promise<{ policy: SecurityPolicy; now: Date }> {
    return this.store.alone(async () => ({ policy: this.store.currentPolicy(), now: this.store.clock.now() }));
  }

  floorsOf(userId: string): Promise<{ floors: Floors; now: Date }> {
    return this.store.alone(async () => {
      const { globalMinTokenVersion, mode, graceEndsAt } = this.store.currentPolicy();
      const userMinTokenVersion = this.store.userFloors.get(userId) ?? 1;
      return {
        floors: { globalMinTokenVersion, mode, graceEndsAt, userMinTokenVersion },
        now: this.store.clock.now(),
      };
    });
  }

  raiseUserFloor(userId: string, reason: string): Promise<number> {
    return this.store.alone(async () => {
      this.store.demandText(reason);
      const minVersion = (this.store.userFloors.get(userId) ?? 1) + 1;
      this.store.userFloors.set(userId, minVersion);
      this.feed.announce([{ kind: 'user', userId, minVersion }]);
      return minVersion;
    });
  }

  raiseGlobalFloor({
    mode,
    gracePeriodSeconds,
    reason,
    expectedVersion,
    by,
  }: GlobalRaise): Promise<SecurityPolicy | null> {
    return this.store.alone(async () => {
      const policy = this.store.currentPolicy();
      if (expectedVersion !== null && expectedVersion !== policy.globalMinTokenVersion) return null;
      if (by < 1) this.store.violated(`global_min_token_version only rises: by ${by} it does not`);
      this.store.demandText(reason);
      const now = this.store.clock.now();
      const graceMs = (gracePeriodSeconds ?? policy.gracePeriodSeconds) * 1000;
      return this.replace({
        ...policy,
        globalMinTokenVersion: policy.globalMinTokenVersion + by,
        mode,
        graceEndsAt: mode === 'immediate' ? null : new Date(now.getTime() + graceMs),
        lastRotationAt: now,
        lastRotationReason: reason,
        updatedAt: now,
      });
    });
  }

  setGracePeriod(gracePeriodSeconds: number): Promise<{ previousSeconds: number; policy: SecurityPolicy }> {
    return this.store.alone(async () => {
      if (gracePeriodSeconds < 0) this.store.violated('grace_period_seconds is 0 or more');
      const policy = this.store.currentPolicy();
      const changed = this.replace({ ...policy, gracePeriodSeconds, updatedAt: this.store.clock.now() });
      return { previousSeconds: policy.gracePeriodSeconds, policy: changed };
    });
  }

  private replace(policy: SecurityPolicy): SecurityPolicy {
    this.store.policy = policy;
    this.feed.announce([], policy);
    return policy;
  }
}
