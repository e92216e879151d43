import { authEventLogContract } from '../../src/testing';
import { proveContract } from './contract';

proveContract('the event log', authEventLogContract);
