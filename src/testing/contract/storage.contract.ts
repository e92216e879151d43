import { authEventLogContract } from './auth-event-log.contract';
import type { ContractCase, UnderTest } from './contract';
import { revocationFeedContract } from './revocation-feed.contract';
import { securityPolicyRepositoryContract } from './security-policy-repository.contract';
import { sessionRepositoryContract } from './session-repository.contract';
import { unitOfWorkContract } from './unit-of-work.contract';
import { userIdsContract } from './user-ids.contract';

const contracts = {
  UnitOfWork: unitOfWorkContract,
  SessionRepository: sessionRepositoryContract,
  SecurityPolicyRepository: securityPolicyRepositoryContract,
  AuthEventLog: authEventLogContract,
  RevocationFeed: revocationFeedContract,
  'User ids': userIdsContract,
};

/** Everything that the ports of a storage promise; the name of a case begins with that of its port. */
export function storageContract(underTest: UnderTest): readonly ContractCase[] {
  return Object.entries(contracts).flatMap(([port, contract]) =>
    contract(underTest).map(({ name, run }) => ({ name: `${port}: ${name}`, run })),
  );
}
