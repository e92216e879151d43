import type { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import {
  AUTH_DEFAULTS,
  type AuthOptions,
  POSTGRES_DEFAULTS,
  type PostgresSettings,
  TypeOrmUnitOfWork,
  type UserDirectory,
} from '../../src';
import { PostgresRevocationFeed } from '../../src/auth/infrastructure/postgres/postgres-revocation.feed';
import { NoMetrics } from '../../src/auth/infrastructure/defaults/no-metrics';
import { names } from '../../src/auth/infrastructure/postgres/names';
import { securityPolicyEntity } from '../../src/auth/infrastructure/postgres/security-policy.entity';
import { sessionEntity } from '../../src/auth/infrastructure/postgres/session.entity';
import { TypeOrmAuthEventLog } from '../../src/auth/infrastructure/postgres/typeorm-auth-event.log';
import { TypeOrmSecurityPolicyRepository } from '../../src/auth/infrastructure/postgres/typeorm-security-policy.repository';
import { TypeOrmSessionRepository } from '../../src/auth/infrastructure/postgres/typeorm-session.repository';
import {
  type ContractPorts,
  InMemoryAuthEventLog,
  InMemoryRevocationFeed,
  InMemorySecurityPolicyRepository,
  InMemorySessionRepository,
  InMemoryStore,
  InMemoryUnitOfWork,
} from '../../src/testing';
import { TypeOrmUserDirectory } from '../../src/users';
import { UserEntity } from '../../src/users/user.entity';
import { SCHEMA, testDatabase } from '../support/database/test-database';

interface Adapter {
  readonly ports: ContractPorts;
  close(): Promise<void>;
}

/** For `describe.each`: the same promises from both. */
export const adapters: [string, () => Promise<Adapter>][] = [
  ['in memory', async () => ({ ports: inMemory(), close: async () => undefined })],
  [
    'PostgreSQL',
    async () => {
      const database = await testDatabase();
      return { ports: onPostgres(await database.connect()), close: () => database.close() };
    },
  ],
];

function inMemory(): ContractPorts {
  const store = new InMemoryStore();
  const feed = new InMemoryRevocationFeed(store);
  const policies = new InMemorySecurityPolicyRepository(store, feed);
  const log = new InMemoryAuthEventLog(store);
  return {
    policies,
    log,
    feed,
    sessions: new InMemorySessionRepository(store, policies, log, feed),
    unitOfWork: new InMemoryUnitOfWork(store),
    alterSession: async (id, changes) => void store.sessions.set(id, { ...store.sessions.get(id)!, ...changes }),
    alterPolicy: async (changes) => {
      await policies.floorsOf(uuidv7());
      store.policy = changes && { ...store.policy!, ...changes };
    },
  };
}

export function onPostgres(
  dataSource: DataSource,
  given: Partial<PostgresSettings & AuthOptions> = {},
  directory?: UserDirectory,
): ContractPorts & { users: UserDirectory; unitOfWork: TypeOrmUnitOfWork } {
  const options = { ...AUTH_DEFAULTS, ...given } as AuthOptions;
  const settings: PostgresSettings = { ...POSTGRES_DEFAULTS, notify: 'none', schema: SCHEMA, ...given };
  const [sessions, policy] = [sessionEntity(names(settings.schema)), securityPolicyEntity(names(settings.schema))];
  const unitOfWork = new TypeOrmUnitOfWork(dataSource);
  const feed = new PostgresRevocationFeed(unitOfWork, settings, options);
  const policies = new TypeOrmSecurityPolicyRepository(unitOfWork, feed, settings);
  const users = directory ?? new TypeOrmUserDirectory(unitOfWork);
  return {
    policies,
    feed,
    users,
    unitOfWork,
    log: new TypeOrmAuthEventLog(unitOfWork, settings),
    sessions: new TypeOrmSessionRepository(unitOfWork, feed, settings, users, options, new NoMetrics()),
    alterSession: async (id, changes) => {
      await dataSource.manager.update(sessions, { id }, changes as object);
    },
    alterPolicy: async (changes) => {
      if (changes === null) await dataSource.manager.delete(policy, { id: 1 });
      else await dataSource.manager.update(policy, { id: 1 }, changes);
    },
    addUser: async (user) => {
      await dataSource.manager.insert(UserEntity, { ...user, roles: [...user.roles] });
    },
  };
}

export { newSession, newUser, nextToken, refreshRecord } from '../../src/testing/contract/examples';
