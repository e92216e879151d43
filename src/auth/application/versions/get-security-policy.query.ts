import { Query } from '@nestjs/cqrs';
import type { SecurityPolicy } from '../../../guard/versions';

/** The security policy, cache first: up to `securityCacheTtlSeconds` old, never below a version that was seen before. */
export class GetSecurityPolicyQuery extends Query<SecurityPolicy> {}
