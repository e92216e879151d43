import {
  type Floors,
  type GlobalRaise,
  type MovedRecovery,
  type RevocationFeed,
  type RevocationReason,
  type SecurityPolicy,
  SecurityPolicyRepository,
} from 'nest-ratchet';
import type { Maps, UserFloor } from './maps.js';

/** The policy; a missing one is created with its defaults. */
export function policyIn(maps: Maps): SecurityPolicy {
  const now = new Date();
  const policy: SecurityPolicy = maps.policy.get('policy') ?? {
    globalMinTokenVersion: 1,
    mode: 'immediate',
    graceEndsAt: null,
    gracePeriodSeconds: 300,
    lastRotationAt: null,
    lastRotationReason: null,
    createdAt: now,
    updatedAt: now,
  };
  maps.write(maps.policy, 'policy', policy);
  return policy;
}

/** A user's floor; without a raise, it is 1 and has ended nothing. */
export const userFloorIn = (maps: Maps, userId: string): UserFloor =>
  maps.userFloors.get(userId) ?? { minTokenVersion: 1, endedBelow: 0, endedReason: null, endedAt: null };

export class MapSecurityPolicyRepository extends SecurityPolicyRepository {
  constructor(
    private readonly maps: Maps,
    private readonly feed: RevocationFeed,
  ) {
    super();
  }

  read(): Promise<{ policy: SecurityPolicy; now: Date }> {
    return this.maps.run(async () => ({ policy: policyIn(this.maps), now: new Date() }));
  }

  floorsOf(userId: string): Promise<{ floors: Floors; now: Date }> {
    return this.maps.run(async () => {
      const { globalMinTokenVersion, mode, graceEndsAt } = policyIn(this.maps);
      const { minTokenVersion: userMinTokenVersion } = userFloorIn(this.maps, userId);
      return { floors: { globalMinTokenVersion, mode, graceEndsAt, userMinTokenVersion }, now: new Date() };
    });
  }

  raiseUserFloor(userId: string, reason: string, ended: RevocationReason | null): Promise<number> {
    return this.maps.run(async () => {
      this.demandText(reason);
      const before = userFloorIn(this.maps, userId);
      const minVersion = before.minTokenVersion + 1;
      const ending = ended !== null && { endedBelow: minVersion, endedReason: ended, endedAt: new Date() };
      this.maps.write(this.maps.userFloors, userId, { ...before, minTokenVersion: minVersion, ...ending });
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
    return this.maps.run(async () => {
      const { minTokenVersion } = userFloorIn(this.maps, userId);
      return minTokenVersion === from ? this.raiseUserFloor(userId, reason, ended) : null;
    });
  }

  raiseGlobalFloor({
    mode,
    gracePeriodSeconds,
    reason,
    expectedVersion,
    by,
  }: GlobalRaise): Promise<SecurityPolicy | null> {
    return this.maps.run(async () => {
      const policy = policyIn(this.maps);
      if (expectedVersion !== null && expectedVersion !== policy.globalMinTokenVersion) return null;
      if (by < 1) this.maps.refuse('A version only rises');
      this.demandText(reason);
      const now = new Date();
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

  setGracePeriod(seconds: number): Promise<{ previousSeconds: number; policy: SecurityPolicy }> {
    return this.maps.run(async () => {
      if (seconds < 0) this.maps.refuse('A grace period is 0 or more');
      const before = policyIn(this.maps);
      const changed = { ...before, gracePeriodSeconds: seconds, updatedAt: new Date() };
      const policy = await this.replace(changed, 'grace_period');
      return { previousSeconds: before.gracePeriodSeconds, policy };
    });
  }

  moveRecovery(seconds: number): Promise<MovedRecovery> {
    return this.maps.run(async () => {
      const previousUntil = this.maps.recovery.get('until') ?? null;
      const now = new Date();
      // Without an open epoch there is nothing to end.
      if (seconds === 0 && (previousUntil === null || previousUntil <= now))
        return { previousUntil, recoveryUntil: previousUntil };
      const recoveryUntil = new Date(now.getTime() + seconds * 1000);
      this.maps.write(this.maps.recovery, 'until', recoveryUntil);
      return { previousUntil, recoveryUntil };
    });
  }

  private async replace(policy: SecurityPolicy, reason: string): Promise<SecurityPolicy> {
    this.maps.write(this.maps.policy, 'policy', policy);
    await this.feed.announce([], reason, policy);
    return policy;
  }

  private demandText(reason: string): void {
    if (reason.includes('\0')) this.maps.refuse('A reason cannot hold U+0000');
  }
}
