import { Query } from '@nestjs/cqrs';
import type { SecurityPolicy } from '../../../guard/versions';

/**
 * Reads the security policy for displays: from the guard's view if that is younger than `securityCacheTtlSeconds`, otherwise
 * from the database. Do not decide by it.
 */
export class GetSecurityPolicyQuery extends Query<SecurityPolicy> {}
