import type { Provider } from '@nestjs/common';
import { RevocationFeed } from '../../../guard/ports/revocation.feed';
import { AuthEventLog } from '../../ports/auth-event.log';
import { Clock } from '../../ports/clock';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { SessionRepository } from '../../ports/session.repository';
import { UnitOfWork } from '../../ports/unit-of-work';
import { SystemClock } from '../defaults/system-clock';
import { AuthEventPartitions } from './auth-event-partitions';
import { PostgresRevocationFeed } from './postgres-revocation.feed';
import { TypeOrmAuthEventLog } from './typeorm-auth-event.log';
import { TypeOrmSecurityPolicyRepository } from './typeorm-security-policy.repository';
import { TypeOrmSessionRepository } from './typeorm-session.repository';
import { TypeOrmUnitOfWork } from './typeorm-unit-of-work';

/** All state in PostgreSQL, through the host's DataSource. */
export const inPostgres: readonly Provider[] = [
  { provide: Clock, useClass: SystemClock },
  TypeOrmUnitOfWork,
  { provide: UnitOfWork, useExisting: TypeOrmUnitOfWork },
  PostgresRevocationFeed,
  { provide: RevocationFeed, useExisting: PostgresRevocationFeed },
  TypeOrmSecurityPolicyRepository,
  { provide: SecurityPolicyRepository, useExisting: TypeOrmSecurityPolicyRepository },
  { provide: SessionRepository, useClass: TypeOrmSessionRepository },
  { provide: AuthEventLog, useClass: TypeOrmAuthEventLog },
  AuthEventPartitions,
];
