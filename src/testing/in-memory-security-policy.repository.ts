import {
  type Floors,
  type GlobalRaise,
  type MovedRecovery,
  RevocationFeed,
  type RevocationReason,
  type SecurityPolicy,
  SecurityPolicyRepository,
} from '../index';
import type { InMemoryStore } from './in-memory-store';

export class InMemorySecurityPolicyRepository extends SecurityPolicyRepository {
  constructor(
    private readonly store: InMemoryStore,
    private readonly feed: RevocationFeed,
  ) {
    super();
  }

  read(): Promise<{ policy: SecurityPolicy; now: Date }> {
    return this.store.alone(async () => ({ policy: this.store.currentPolicy(), now: this.store.clock.now() }));
  }

  floorsOf(userId: string): Promise<{ floors: Floors; now: Date }> {
    return this.store.alone(async () => {
      const { globalMinTokenVersion, mode, graceEndsAt } = this.store.currentPolicy();
      const userMinTokenVersion = this.store.userFloors.get(userId)?.minTokenVersion ?? 1;
      return {
        floors: { globalMinTokenVersion, mode, graceEndsAt, userMinTokenVersion },
        now: this.store.clock.now(),
      };
    });
  }

  raiseUserFloor(userId: string, reason: string, ended: RevocationReason | null): Promise<number> {
    return this.store.alone(async () => {
      this.store.demandText(reason);
      const before = this.store.userFloors.get(userId);
      const minVersion = (before?.minTokenVersion ?? 1) + 1;
      this.store.userFloors.set(userId, {
        minTokenVersion: minVersion,
        endedBelow: ended === null ? (before?.endedBelow ?? 0) : minVersion,
        endedReason: ended ?? before?.endedReason ?? null,
        raisedAt: this.store.clock.now(),
      });
      await this.feed.announce([{ kind: 'user', userId, minVersion }], reason);
      return minVersion;
    });
  }

  raiseUserFloorFrom(
    from: number,
    userId: string,
    reason: string,
    ended: RevocationReason | null,
  ): Promise<number | null> {
    return this.store.alone(async () => {
      const floor = this.store.userFloors.get(userId)?.minTokenVersion ?? 1;
      return floor === from ? this.raiseUserFloor(userId, reason, ended) : null;
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
      const raised: SecurityPolicy = {
        ...policy,
        globalMinTokenVersion: policy.globalMinTokenVersion + by,
        mode,
        graceEndsAt: mode === 'immediate' ? null : new Date(now.getTime() + graceMs),
        lastRotationAt: now,
        lastRotationReason: reason,
        updatedAt: now,
      };
      return this.replace(raised, reason);
    });
  }

  setGracePeriod(gracePeriodSeconds: number): Promise<{ previousSeconds: number; policy: SecurityPolicy }> {
    return this.store.alone(async () => {
      if (gracePeriodSeconds < 0) this.store.violated('grace_period_seconds is 0 or more');
      const policy = this.store.currentPolicy();
      const updatedAt = this.store.clock.now();
      const changed = await this.replace({ ...policy, gracePeriodSeconds, updatedAt }, 'grace_period');
      return { previousSeconds: policy.gracePeriodSeconds, policy: changed };
    });
  }

  moveRecovery(seconds: number): Promise<MovedRecovery> {
    return this.store.alone(async () => {
      const now = this.store.clock.now();
      const previousUntil = this.store.recoveryUntil;
      if (seconds === 0 && (previousUntil === null || previousUntil <= now))
        return { previousUntil, recoveryUntil: previousUntil };
      const recoveryUntil = new Date(now.getTime() + seconds * 1000);
      this.store.recoveryUntil = recoveryUntil;
      return { previousUntil, recoveryUntil };
    });
  }

  private async replace(policy: SecurityPolicy, reason: string): Promise<SecurityPolicy> {
    this.store.policy = policy;
    await this.feed.announce([], reason, policy);
    return policy;
  }
}
