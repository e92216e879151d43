import { Logger } from '@nestjs/common';
import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import { RevocationView } from '../../../guard/revocation.view';
import type { SecurityPolicy } from '../../../guard/versions';
import { AuthOptions } from '../../options/auth.options';
import { AuthMetrics } from '../../ports/auth-metrics';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { GetSecurityPolicyQuery } from './get-security-policy.query';

/** Serves displays of the policy. The guard's view is the cache (ADR 13); code that decides reads the policy itself. */
@QueryHandler(GetSecurityPolicyQuery)
export class GetSecurityPolicyHandler implements IQueryHandler<GetSecurityPolicyQuery> {
  private readonly logger = new Logger(GetSecurityPolicyHandler.name);

  constructor(
    private readonly view: RevocationView,
    private readonly policies: SecurityPolicyRepository,
    private readonly options: AuthOptions,
    private readonly metrics: AuthMetrics,
  ) {}

  async execute(): Promise<SecurityPolicy> {
    const cached = this.cached();
    this.metrics.securityCache(cached === null ? 'miss' : 'hit');
    return cached ?? (await this.policies.read()).policy;
  }

  private cached(): SecurityPolicy | null {
    if (!this.view.isStarted) return null;
    try {
      const policy = this.view.currentPolicy();
      return this.view.stalenessSeconds < this.options.securityCacheTtlSeconds ? policy : null;
    } catch (error) {
      this.metrics.securityCache('error');
      this.logger.warn(`The guard's view cannot show the security policy, the database is read: ${String(error)}`);
      return null;
    }
  }
}
