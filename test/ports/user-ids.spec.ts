import { userIdsContract } from '../../src/testing';
import { proveContract } from './contract';

proveContract('the ids of users', userIdsContract);
