import { revocationFeedContract } from '../../src/testing';
import { proveContract } from './contract';

proveContract('the feed of revocations', revocationFeedContract);
