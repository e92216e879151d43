import { randomBytes } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import {
  Attempt,
  type AuthEventLog,
  type AuthOptions,
  AuthTokenRefreshAttempted,
  AuthTokenRefreshSucceeded,
  type LiveToken,
  type NewSession,
  type NextToken,
  type RefreshRecord,
  type RevocationFeed,
  type SecurityPolicy,
  type SecurityPolicyRepository,
  type Session,
  type SessionRepository,
  TypeOrmUnitOfWork,
  type UnitOfWork,
  type UserDirectory,
  type UserWithPassword,
} from '../../src';
import { PostgresRevocationFeed } from '../../src/auth/infrastructure/postgres/postgres-revocation.feed';
import { names } from '../../src/auth/infrastructure/postgres/names';
import { securityPolicyEntity } from '../../src/auth/infrastructure/postgres/security-policy.entity';
import { sessionEntity } from '../../src/auth/infrastructure/postgres/session.entity';
import { TypeOrmAuthEventLog } from '../../src/auth/infrastructure/postgres/typeorm-auth-event.log';
import { TypeOrmSecurityPolicyRepository } from '../../src/auth/infrastructure/postgres/typeorm-security-policy.repository';
import { TypeOrmSessionRepository } from '../../src/auth/infrastructure/postgres/typeorm-session.repository';
import {
  InMemoryAuthEventLog,
  InMemoryRevocationFeed,
  InMemorySecurityPolicyRepository,
  InMemorySessionRepository,
  InMemoryStore,
  InMemoryUnitOfWork,
  InMemoryUserDirectory,
} from '../../src/testing';
import { TypeOrmUserDirectory } from '../../src/users';
import { UserEntity } from '../../src/users/user.entity';
import { SCHEMA, testDatabase } from '../support/database/test-database';

/** The ports of one database, and what no port can do but time, people and accidents can. */
export interface Ports {
  sessions: SessionRepository;
  policies: SecurityPolicyRepository;
  log: AuthEventLog;
  feed: RevocationFeed;
  users: UserDirectory;
  unitOfWork: UnitOfWork;
  alterSession(id: string, changes: Partial<Session>): Promise<void>;
  /** Null loses the policy. */
  alterPolicy(changes: Partial<SecurityPolicy> | null): Promise<void>;
  addUser(user: UserWithPassword): Promise<void>;
  close(): Promise<void>;
}

/** For `describe.each`: the same promises from both. */
export const adapters: [string, () => Promise<Ports>][] = [
  ['in memory', inMemory],
  [
    'PostgreSQL',
    async () => {
      const database = await testDatabase();
      return { ...onPostgres(await database.connect()), close: () => database.close() };
    },
  ],
];

async function inMemory(): Promise<Ports> {
  const store = new InMemoryStore();
  const feed = new InMemoryRevocationFeed(store);
  const policies = new InMemorySecurityPolicyRepository(store, feed);
  const log = new InMemoryAuthEventLog(store);
  const users = new InMemoryUserDirectory(store);
  return {
    policies,
    log,
    feed,
    users,
    sessions: new InMemorySessionRepository(store, policies, log, feed),
    unitOfWork: new InMemoryUnitOfWork(store),
    alterSession: async (id, changes) => void store.sessions.set(id, { ...store.sessions.get(id)!, ...changes }),
    alterPolicy: async (changes) => {
      await policies.floorsOf(uuidv7());
      store.policy = changes && { ...store.policy!, ...changes };
    },
    addUser: (user) => users.add(user),
    close: async () => undefined,
  };
}

export function onPostgres(
  dataSource: DataSource,
  given: Partial<AuthOptions> = {},
  directory?: UserDirectory,
): Omit<Ports, 'close'> & { unitOfWork: TypeOrmUnitOfWork } {
  const options = {
    preparedStatements: true,
    sessionRetentionSeconds: 30 * 24 * 60 * 60,
    accessTokenTtlSeconds: 900,
    revocationNotify: 'none',
    listenUrl: null,
    schema: SCHEMA,
    ...given,
  } as AuthOptions;
  const [sessions, policy] = [sessionEntity(names(options.schema)), securityPolicyEntity(names(options.schema))];
  const unitOfWork = new TypeOrmUnitOfWork(dataSource);
  const feed = new PostgresRevocationFeed(dataSource, unitOfWork, options);
  const policies = new TypeOrmSecurityPolicyRepository(unitOfWork, feed, options);
  const users = directory ?? new TypeOrmUserDirectory(unitOfWork);
  return {
    policies,
    feed,
    users,
    unitOfWork,
    log: new TypeOrmAuthEventLog(unitOfWork, options),
    sessions: new TypeOrmSessionRepository(dataSource, unitOfWork, feed, options, users),
    alterSession: async (id, changes) => {
      await dataSource.manager.update(sessions, { id }, changes);
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

export const newSession = (changes: Partial<NewSession> = {}): NewSession => ({
  id: uuidv7(),
  userId: uuidv7(),
  tokenHash: randomBytes(32),
  keyId: 1,
  delivery: 'body',
  deviceId: 'phone',
  deviceName: "Ann's phone",
  userAgent: 'login agent',
  ipAddress: '192.0.2.1',
  tokenVersion: 1,
  globalVersionAtIssuance: 1,
  idleTtlSeconds: 600,
  absoluteTtlSeconds: 3600,
  ...changes,
});

export const newUser = (changes: Partial<UserWithPassword> = {}): UserWithPassword => {
  const id = uuidv7();
  return { id, email: `${id}@example.com`, passwordHash: 'a hash', roles: ['user'], isActive: true, ...changes };
};

/** The next token of a session; its expiry is a minute before the absolute one. */
export const nextToken = (session: Session, changes: Partial<NextToken> = {}): NextToken => ({
  tokenHash: randomBytes(32),
  successorNonce: randomBytes(16),
  keyId: 2,
  retryKeyHash: null,
  tokenVersion: 1,
  globalVersionAtIssuance: 1,
  expiresAt: new Date(session.absoluteExpiresAt.getTime() - 60_000),
  userAgent: 'refresh agent',
  ipAddress: '2001:db8::1',
  ...changes,
});

/** The record of one refresh that changes `session`. */
export function refreshRecord(session: LiveToken & { userId: string }, replayed = false): RefreshRecord {
  const attempt = new Attempt({ ip: '2001:db8::1', userAgent: 'refresh agent' }, new Date());
  const subject = { userId: session.userId, sessionId: session.id, generation: session.generation };
  return [
    new AuthTokenRefreshAttempted(attempt.beginning(subject)),
    new AuthTokenRefreshSucceeded(attempt.ending({ ...subject, generation: session.generation + 1 }), replayed, null, {
      deviceId: 'tablet',
    }),
  ];
}
