import { securityPolicyRepositoryContract } from '../../src/testing';
import { proveContract } from './contract';

proveContract('the policy and the floors', securityPolicyRepositoryContract);
