import { unitOfWorkContract } from '../../src/testing';
import { proveContract } from './contract';

proveContract('a unit of work', unitOfWorkContract);
