import { Injectable, Logger } from '@nestjs/common';
import { isNewer, type SecurityPolicy } from '../domain/versions';
import { AuthMetrics } from '../ports/auth-metrics';
import { SecurityPolicyCache } from '../ports/security-policy.cache';
import { SecurityPolicyRepository } from '../ports/security-policy.repository';

/**
 * The security policy, cache first, for whoever shows it; what decides reads its own. The cache is never believed: what it
 * keeps counts only when it is what this process has seen in the database. So a stale refill cannot lower a version, a
 * poisoned one cannot raise it, and a cache that fails costs one read.
 */
@Injectable()
export class SecurityPolicyProvider {
  private readonly logger = new Logger(SecurityPolicyProvider.name);
  private newest: SecurityPolicy | null = null;

  constructor(
    private readonly policies: SecurityPolicyRepository,
    private readonly cache: SecurityPolicyCache,
    private readonly metrics: AuthMetrics,
  ) {}

  async current(): Promise<SecurityPolicy> {
    const cached = await this.trying(() => this.cache.get());
    const known = this.newest;
    if (cached !== null && known !== null && !isNewer(cached, known) && !isNewer(known, cached)) {
      this.metrics.securityCache('hit');
      return known;
    }
    this.metrics.securityCache('miss');
    const { policy } = await this.policies.read();
    const newest = this.seen(policy);
    void this.refill(cached, newest); // not waited for: asking the cache has taken the time that a request has for it
    return newest;
  }

  /** Remembers what was read from the database, unless something newer is known. Answers the newest. */
  seen(policy: SecurityPolicy): SecurityPolicy {
    if (this.newest === null || isNewer(policy, this.newest)) this.newest = policy;
    return this.newest;
  }

  private async refill(cached: SecurityPolicy | null, newest: SecurityPolicy): Promise<void> {
    if (cached !== null && isNewer(cached, newest)) await this.trying(() => this.cache.drop(cached));
    await this.trying(() => this.cache.put(newest));
  }

  private async trying<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      this.metrics.securityCache('error');
      this.logger.warn(`The cache of the security policy failed, the database decides: ${String(error)}`);
      return null;
    }
  }
}
