import type { Provider } from '@nestjs/common';
import {
  AuthEventLog,
  AuthOptions,
  Clock,
  RevocationFeed,
  SecurityPolicyRepository,
  SessionRepository,
  UnitOfWork,
} from 'nest-ratchet';
import { MapAuthEventLog } from './events.js';
import { Maps } from './maps.js';
import { MapSecurityPolicyRepository } from './policies.js';
import { MapRevocationFeed } from './revocations.js';
import { MapSessionRepository } from './sessions.js';

/** For the option `storage` of AuthModule. */
export function mapStorage(maps = new Maps()): readonly Provider[] {
  return [
    { provide: UnitOfWork, useValue: maps },
    { provide: Clock, useValue: { now: () => new Date() } },
    { provide: RevocationFeed, useValue: new MapRevocationFeed(maps) },
    { provide: AuthEventLog, useValue: new MapAuthEventLog(maps) },
    {
      provide: SecurityPolicyRepository,
      inject: [RevocationFeed],
      useFactory: (feed: RevocationFeed) => new MapSecurityPolicyRepository(maps, feed),
    },
    {
      provide: SessionRepository,
      inject: [SecurityPolicyRepository, AuthEventLog, RevocationFeed, AuthOptions],
      useFactory: (
        policies: SecurityPolicyRepository,
        log: AuthEventLog,
        feed: RevocationFeed,
        { sessionRetentionSeconds }: AuthOptions,
      ) => new MapSessionRepository(maps, policies, log, feed, sessionRetentionSeconds),
    },
  ];
}
