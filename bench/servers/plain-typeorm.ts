import { Injectable, type LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { DataSource, EntitySchema } from 'typeorm';
import {
  classOf,
  detailsOf,
  names,
  POSTGRES_DEFAULTS,
  PostgresSettings,
  type RecordedEvent,
  RevocationFeed,
} from '../../src';
import { tablesIn } from '../../src/app.module';
import { authEventEntity } from '../../src/auth/infrastructure/postgres/auth-event.entity';
import { TABLES } from '../../src/auth/infrastructure/postgres/names';
import { securityPolicyEntity } from '../../src/auth/infrastructure/postgres/security-policy.entity';
import type { Session } from '../../src/auth/domain/session';
import { sessionEntity } from '../../src/auth/infrastructure/postgres/session.entity';
import { TypeOrmSessionRepository } from '../../src/auth/infrastructure/postgres/typeorm-session.repository';
import { TypeOrmUnitOfWork } from '../../src/auth/infrastructure/postgres/typeorm-unit-of-work';
import {
  userTokenVersionEntity,
  type UserTokenVersionRow,
} from '../../src/auth/infrastructure/postgres/user-token-version.entity';
import { AuthOptions } from '../../src/auth/options/auth.options';
import { AuthMetrics } from '../../src/auth/ports/auth-metrics';
import {
  type LiveToken,
  type NextToken,
  type RefreshReading,
  type RefreshRecord,
  SessionRepository,
} from '../../src/auth/ports/session.repository';
import { UserDirectory } from '../../src/auth/ports/user-directory';
import { createApplication } from '../../src/bootstrap';
import { loadConfig } from '../../src/config';
import { dataSourceOptions } from '../../src/postgres/data-source';
import { UserEntity } from '../../src/users/user.entity';

/**
 * The same application, its refresh written as one would without a thought of speed: an entity with relations, `findOne`,
 * `save()` in a transaction. Everything but the statements is the product's.
 */

const own = names(POSTGRES_DEFAULTS.schema);
const Policy = securityPolicyEntity(own);
const AuthEvents = authEventEntity(own);

const RelatedSession = new EntitySchema<Session & { floor: UserTokenVersionRow | null }>({
  name: 'RelatedSession',
  schema: own.schema,
  tableName: TABLES.sessions,
  columns: sessionEntity(own).options.columns,
  // Not the user, too: a relation joins columns of one type alone.
  relations: {
    floor: {
      type: 'many-to-one',
      target: userTokenVersionEntity(own).options.name,
      joinColumn: { name: 'user_id', referencedColumnName: 'userId' },
      createForeignKeyConstraints: false,
    },
  },
});

@Injectable()
class PlainSessionRepository extends TypeOrmSessionRepository {
  constructor(
    private readonly source: DataSource,
    unitOfWork: TypeOrmUnitOfWork,
    feed: RevocationFeed,
    settings: PostgresSettings,
    users: UserDirectory,
    options: AuthOptions,
    metrics: AuthMetrics,
  ) {
    super(unitOfWork, feed, settings, users, options, metrics);
  }

  override async findForRefresh(id: string): Promise<RefreshReading | null> {
    const session = await this.source
      .getRepository(RelatedSession)
      .findOne({ where: { id }, relations: { floor: true } });
    if (session === null) return null;
    const user = await this.source.getRepository(UserEntity).findOneBy({ id: session.userId });
    const policy = await this.source.getRepository(Policy).findOneOrFail({ where: { id: 1 } });
    const { globalMinTokenVersion, mode, graceEndsAt } = policy;
    const floors = {
      globalMinTokenVersion,
      mode,
      graceEndsAt,
      userMinTokenVersion: session.floor?.minTokenVersion ?? 1,
      endedBelow: session.floor?.endedBelow ?? 0,
      endedReason: session.floor?.endedReason ?? null,
    };
    return { session, floors, user, recoveryUntil: null, now: new Date() };
  }

  override async rotate(live: LiveToken, next: NextToken, record: RefreshRecord): Promise<boolean> {
    return this.source.transaction(async (manager) => {
      const session = await manager.findOne(RelatedSession, {
        where: { id: live.id },
        lock: { mode: 'pessimistic_write' },
      });
      if (session?.generation !== live.generation || session.revokedAt !== null) return false;
      const now = new Date();
      const { userAgent, ipAddress, ...columns } = next;
      Object.assign(session, columns, {
        generation: session.generation + 1,
        previousTokenHash: session.tokenHash,
        replayCount: 0,
        rotatedAt: now,
        lastUsedAt: now,
        lastUserAgent: userAgent,
        lastIpAddress: ipAddress,
      });
      await manager.save(RelatedSession, session);
      const [, succeeded] = record; // one row, which is both events
      const { type, outcome } = classOf(succeeded);
      const { eventId, ...context } = succeeded.context;
      const row: RecordedEvent = {
        id: eventId,
        type,
        outcome,
        ...context,
        reason: null,
        details: detailsOf(succeeded),
      };
      await manager.save(AuthEvents, row);
      return true;
    });
  }
}

async function run(): Promise<void> {
  const config = loadConfig();
  const database = { ...config.database, url: config.database.url ?? '' };
  const tables = tablesIn(config.database.schema);
  const entities = [...(tables.entities as EntitySchema[]), RelatedSession];
  const dataSource = await new DataSource(dataSourceOptions(database, { ...tables, entities })).initialize();
  const { app, close } = await createApplication(config, {
    create: async (module, adapter, options) =>
      (
        await Test.createTestingModule({ imports: [module] })
          .setLogger(options.logger as LoggerService)
          .overrideProvider(DataSource)
          .useValue(dataSource)
          .overrideProvider(SessionRepository)
          .useClass(PlainSessionRepository)
          .compile()
      ).createNestApplication(adapter, options),
  });
  process.once('SIGTERM', () => void close().then(() => process.exit(0)));
  await app.listen(config.http.port, config.http.host);
}

void run();
