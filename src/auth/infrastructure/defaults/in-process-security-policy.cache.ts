import { Injectable } from '@nestjs/common';
import { isNewer, type SecurityPolicy } from '../../domain/versions';
import { AuthOptions } from '../../ports/auth.options';
import { SecurityPolicyCache } from '../../ports/security-policy.cache';

/** Keeps the policy in this process, for `securityCacheTtlSeconds`. */
@Injectable()
export class InProcessSecurityPolicyCache extends SecurityPolicyCache {
  private kept: { readonly policy: SecurityPolicy; readonly until: number } | null = null;

  constructor(private readonly options: AuthOptions) {
    super();
  }

  async get(): Promise<SecurityPolicy | null> {
    return this.kept !== null && performance.now() < this.kept.until ? this.kept.policy : null;
  }

  async put(policy: SecurityPolicy): Promise<void> {
    const kept = await this.get();
    if (kept !== null && isNewer(kept, policy)) return;
    this.kept = { policy, until: performance.now() + this.options.securityCacheTtlSeconds * 1000 };
  }

  async drop(policy: SecurityPolicy): Promise<void> {
    if (this.kept !== null && !isNewer(this.kept.policy, policy)) this.kept = null;
  }
}
