import { type IQueryHandler, QueryHandler } from '@nestjs/cqrs';
import type { SecurityPolicy } from '../domain/versions';
import { GetSecurityPolicyQuery } from './get-security-policy.query';
import { SecurityPolicyProvider } from './security-policy.provider';

@QueryHandler(GetSecurityPolicyQuery)
export class GetSecurityPolicyHandler implements IQueryHandler<GetSecurityPolicyQuery> {
  constructor(private readonly policies: SecurityPolicyProvider) {}

  async execute(): Promise<SecurityPolicy> {
    return this.policies.current();
  }
}
