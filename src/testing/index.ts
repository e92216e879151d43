/**
 * For tests of a host without a database, and of storages of its own.
 * @module nest-ratchet/testing
 */
import '../peers';
export { AuthTestingModule, type AuthTestingOptions } from './auth-testing.module';
export { authEventLogContract } from './contract/auth-event-log.contract';
export { type ContractCase, type ContractPorts, type UnderTest } from './contract/contract';
export { revocationFeedContract } from './contract/revocation-feed.contract';
export { securityPolicyRepositoryContract } from './contract/security-policy-repository.contract';
export { sessionRepositoryContract } from './contract/session-repository.contract';
export { storageContract } from './contract/storage.contract';
export { unitOfWorkContract } from './contract/unit-of-work.contract';
export {
  userAdministrationContract,
  type UserAdministrationPorts,
  userDirectoryContract,
  type UserDirectoryPorts,
} from './contract/user-directory.contract';
export { userIdsContract } from './contract/user-ids.contract';
export { InMemoryAuthEventLog } from './in-memory-auth-event.log';
export { InMemoryRevocationFeed } from './in-memory-revocation.feed';
export { InMemorySecurityPolicyRepository } from './in-memory-security-policy.repository';
export { InMemorySessionRepository } from './in-memory-session.repository';
export { InMemoryStore, type UserFloor } from './in-memory-store';
export { InMemoryUnitOfWork } from './in-memory-unit-of-work';
export { InMemoryUserDirectory } from './in-memory-user.directory';
export { MovableClock } from './movable-clock';
export { advanceClock, type Application, issueTestToken, type TestToken } from './test-token';
