import { sessionRepositoryContract } from '../../src/testing';
import { proveContract } from './contract';

proveContract('the sessions', sessionRepositoryContract);
