import type { FactoryProvider, InjectionToken, Provider } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { RevocationFeed } from '../../../guard/ports/revocation.feed';
import {
  completePostgresSettings,
  type GivenPostgresSettings,
  PostgresSettings,
} from '../../options/postgres.settings';
import { AuthEventLog } from '../../ports/auth-event.log';
import { Clock } from '../../ports/clock';
import { SecurityPolicyRepository } from '../../ports/security-policy.repository';
import { SessionRepository } from '../../ports/session.repository';
import { UnitOfWork } from '../../ports/unit-of-work';
import { SystemClock } from '../defaults/system-clock';
import { AuthEventPartitions } from './auth-event-partitions';
import { DatabaseCheck } from './database-check';
import { OwnDatabase } from './own-database';
import { PostgresRevocationFeed } from './postgres-revocation.feed';
import { TypeOrmAuthEventLog } from './typeorm-auth-event.log';
import { TypeOrmSecurityPolicyRepository } from './typeorm-security-policy.repository';
import { TypeOrmSessionRepository } from './typeorm-session.repository';
import { TypeOrmUnitOfWork } from './typeorm-unit-of-work';

/** Settings that are there, or that a factory returns when the application starts. */
export type PostgresStorageOptions = {
  /** The name of the host's DataSource, as `@nestjs/typeorm` has it; without one, the default DataSource. */
  readonly dataSource?: string | undefined;
} & (
  | GivenPostgresSettings
  | Pick<FactoryProvider<GivenPostgresSettings | Promise<GivenPostgresSettings>>, 'inject' | 'useFactory'>
);

/**
 * The storage in PostgreSQL, for `AuthModule`'s `storage`: in the host's DataSource, or in a `database` of auth's own.
 * With `inject` and `useFactory`, the settings come from the host's modules.
 * @throws InvalidAuthOptions, when the application starts, naming every problem at once
 */
export function postgresStorage({ dataSource, ...given }: PostgresStorageOptions = {}): readonly Provider[] {
  const { inject, useFactory } =
    'useFactory' in given ? given : { inject: undefined, useFactory: (): GivenPostgresSettings => given };
  return [
    {
      provide: PostgresSettings,
      inject: inject ?? [],
      useFactory: async (...parts: unknown[]) => completePostgresSettings(await useFactory(...parts)),
    },
    {
      provide: OwnDatabase,
      inject: [PostgresSettings],
      useFactory: ({ database, schema }: PostgresSettings) => OwnDatabase.open(database, schema),
    },
    {
      provide: TypeOrmUnitOfWork,
      inject: [OwnDatabase, { token: tokenOf(dataSource), optional: true }],
      useFactory: (own: OwnDatabase, hosts: DataSource | undefined) => {
        const used = own.dataSource ?? hosts;
        if (used === undefined) throw new Error(noDataSource(dataSource));
        return new TypeOrmUnitOfWork(used);
      },
    },
    { provide: UnitOfWork, useExisting: TypeOrmUnitOfWork },
    { provide: Clock, useClass: SystemClock },
    { provide: RevocationFeed, useClass: PostgresRevocationFeed },
    TypeOrmSecurityPolicyRepository,
    { provide: SecurityPolicyRepository, useExisting: TypeOrmSecurityPolicyRepository },
    { provide: SessionRepository, useClass: TypeOrmSessionRepository },
    { provide: AuthEventLog, useClass: TypeOrmAuthEventLog },
    AuthEventPartitions,
    DatabaseCheck,
  ];
}

/** As `getDataSourceToken` of `@nestjs/typeorm` names them, which a host with a `database` of auth's own does not install. */
const tokenOf = (name: string | undefined): InjectionToken =>
  name === undefined || name === 'default' ? DataSource : `${name}DataSource`;

const noDataSource = (name: string | undefined): string =>
  `AuthModule finds no ${name === undefined ? '' : `"${name}" `}DataSource: import TypeOrmModule.forRoot() with the entities ` +
  'and migrations of authSchema(), name a DataSource with `dataSource`, or give auth a database of its own with `database: { url }`';
