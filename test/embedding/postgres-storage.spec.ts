import { randomBytes } from 'node:crypto';
import { type DynamicModule, Injectable, Module } from '@nestjs/common';
import { CommandBus, CqrsModule } from '@nestjs/cqrs';
import { EventEmitterModule } from '@nestjs/event-emitter';
import { Test } from '@nestjs/testing';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import {
  Attempt,
  AuthEvents,
  AuthModule,
  type AuthModuleOptions,
  authSchema,
  AuthTokenRefreshAttempted,
  completePostgresSettings,
  type GivenAuthOptions,
  type GivenPostgresSettings,
  InvalidAuthOptions,
  LogInCommand,
  PasswordHasher,
  postgresStorage,
  PostgresSettings,
  RefreshAccessTokenCommand,
  type TokenPair,
  TypeOrmUnitOfWork,
  UserDirectory,
} from '../../src';
import { InMemoryStore, InMemoryUserDirectory } from '../../src/testing';
import { administer, testDatabase, urlOf } from '../support/database/test-database';

const OPTIONS: GivenAuthOptions = {
  accessTokenKeys: [{ kid: 'k1', secret: randomBytes(32) }],
  accessTokenIssuer: 'host',
  accessTokenAudience: 'host',
  refreshTokenKeys: [{ id: 1, root: randomBytes(32) }],
  bcryptCost: 4,
};

/** Users that are in no database. */
const store = new InMemoryStore();
@Injectable()
class PeopleDirectory extends InMemoryUserDirectory {
  constructor() {
    super(store);
  }
}

@Module({ providers: [{ provide: 'address', useFactory: () => urlOf(EMPTY) }], exports: ['address'] })
class AddressModule {}

const EMPTY = 'auth_of_its_own';

const start = async (extras: Partial<AuthModuleOptions>, ...imports: NonNullable<DynamicModule['imports']>) => {
  const module = await Test.createTestingModule({
    imports: [
      ...imports,
      CqrsModule.forRoot(),
      EventEmitterModule.forRoot(),
      AuthModule.forRootAsync({ useFactory: () => OPTIONS, userDirectory: PeopleDirectory, ...extras }),
    ],
  }).compile();
  return module.init();
};

type Host = Awaited<ReturnType<typeof start>>;

const logIn = async (app: Host): Promise<TokenPair> => {
  const hasher = app.get(PasswordHasher, { strict: false });
  await app.get<PeopleDirectory>(UserDirectory, { strict: false }).add({
    id: 'ann',
    email: 'ann@example.com',
    passwordHash: await hasher.hash('a long enough passphrase'),
    roles: ['user'],
    isActive: true,
  });
  const command = new LogInCommand('ann@example.com', 'a long enough passphrase', {}, 'body');
  const answer = await app.get(CommandBus, { strict: false }).execute(command);
  if (!answer.ok) throw new Error(answer.reason);
  return answer.value;
};
const refresh = (app: Host, { refreshToken }: TokenPair) =>
  app.get(CommandBus, { strict: false }).execute(new RefreshAccessTokenCommand(refreshToken, {}));

describe('the settings of the storage in PostgreSQL', () => {
  const problemsOf = (settings: unknown): readonly string[] => {
    try {
      completePostgresSettings(settings as GivenPostgresSettings);
    } catch (error) {
      if (error instanceof InvalidAuthOptions) return error.problems.map(({ option, rule }) => `${option} ${rule}`);
      throw error;
    }
    return [];
  };

  it('have defaults, also for a database of auth’s own', () => {
    const flags = { preparedStatements: true, auditPartition: 'month' };
    const defaults = { schema: 'ratchet', notify: 'postgres', listenUrl: null, ...flags };
    expect(completePostgresSettings({ schema: undefined })).toEqual({ ...defaults, database: null });
    expect(completePostgresSettings({ database: { url: 'postgres://db/auth' } })).toEqual({
      ...defaults,
      database: { url: 'postgres://db/auth', poolSize: 10 },
    });
  });

  it('name one database, whatever its password has in it', () => {
    for (const listenUrl of ['postgres://u:a,b@db/app', 'postgres:///app?host=/run/pg', 'postgres://db/a,b'])
      expect(completePostgresSettings({ listenUrl }).listenUrl).toBe(listenUrl);
  });

  it.each<[string, object, string]>([
    ['several database hosts', { listenUrl: 'postgres://u:p@one,two/app' }, 'listenUrl'],
    ['several database hosts in the query', { listenUrl: 'postgres:///app?host=one,two' }, 'listenUrl'],
    ['a place to listen that is no PostgreSQL', { listenUrl: 'db:5432' }, 'listenUrl'],
    ['a name that is no schema', { schema: 'Auth Tables' }, 'schema'],
    ['another way to notify', { notify: 'redis' }, 'notify'],
    ['a partition of an hour', { auditPartition: 'hour' }, 'auditPartition'],
    ['a flag as a text', { preparedStatements: 'false' }, 'preparedStatements'],
    ['a database without a url', { database: {} }, 'database.url'],
    ['a database that is a text', { database: 'postgres://db/auth' }, 'database.url'],
    ['a database of several hosts', { database: { url: 'postgres://one,two/auth' } }, 'database.url'],
    ['a pool of one', { database: { url: 'postgres://db/auth', poolSize: 1 } }, 'database.poolSize'],
    ['a misspelt name', { database: { url: 'postgres://db/auth', poolsize: 5 } }, 'database.poolsize'],
    ['a misspelt group', { databse: { url: 'postgres://db/auth' } }, 'databse'],
  ])('with %s are not usable', (_, wrong, name) => {
    expect(problemsOf(wrong)).toEqual([expect.stringMatching(new RegExp(`^${name} `))]);
  });

  it('fail the start in one message that names every problem and no value', async () => {
    const storage = postgresStorage({ schema: 'Secret', notify: 'none', database: { url: 'mysql://root:secret@db' } });
    await expect(start({ storage })).rejects.toThrow(
      /^The settings of postgresStorage\(\) are not usable:\n {2}- schema must be a schema name: .*\n {2}- database\.url must be a URL that starts with postgres:\/\/ or .*$/,
    );
  });

  it('go to postgresStorage() where there is a storage', async () => {
    const whose = { storage: postgresStorage(), dataSource: 'audit' };
    await expect(start(whose)).rejects.toThrow(
      'AuthModule has a `storage`: give `dataSource` or `database` to postgresStorage()',
    );
  });
});

describe('a host without a DataSource for auth', () => {
  it.each([
    [{}, 'AuthModule finds no DataSource: import TypeOrmModule.forRoot()'],
    [{ dataSource: 'audit' }, 'AuthModule finds no "audit" DataSource: '],
  ])('that gives %j learns what it can do', async (extras, message) => {
    await expect(start(extras)).rejects.toThrow(message);
  });
});

describe('a DataSource with a name', () => {
  it("is auth's; the default one is the host's alone", async () => {
    const database = await testDatabase();
    const { entities } = authSchema();
    const typeOrm = [
      TypeOrmModule.forRoot({ type: 'postgres', url: urlOf(), entities: [] }),
      TypeOrmModule.forRoot({ name: 'audit', type: 'postgres', url: database.url, entities: [...entities] }),
    ];
    const app = await start({ dataSource: 'audit' }, ...typeOrm);
    const pair = await logIn(app);
    expect((await refresh(app, pair)).ok).toBe(true);
    const audit = app.get<DataSource>(getDataSourceToken('audit'), { strict: false });
    expect(await audit.query('SELECT generation FROM sessions')).toEqual([{ generation: 1 }]);
    expect(app.get(DataSource, { strict: false })).not.toBe(audit);
    await app.close();
    await database.close();
  });
});

describe("a database of auth's own", () => {
  beforeEach(() => administer(`CREATE DATABASE ${EMPTY}`));
  afterEach(() => administer(`DROP DATABASE ${EMPTY} WITH (FORCE)`));

  const rows = async (statement: string) => {
    const reader = await new DataSource({ type: 'postgres', url: urlOf(EMPTY) }).initialize();
    return reader.query(statement).finally(() => reader.destroy());
  };

  it('is migrated at the start, by one of two that start at once, and used by both', async () => {
    const database = { url: urlOf(EMPTY) };
    const apps = await Promise.all([start({ database }), start({ database })]);
    const [first, second] = apps;
    const pair = await logIn(first);
    expect((await refresh(second, pair)).ok).toBe(true);
    await Promise.all(apps.map((app) => app.close()));
    expect(await rows('SELECT name FROM ratchet.migrations')).toHaveLength(1);
    expect(await rows('SELECT generation FROM ratchet.sessions')).toEqual([{ generation: 1 }]);
  });

  it("has settings that the host's modules give, and a schema", async () => {
    const storage = postgresStorage({
      inject: ['address'],
      useFactory: async (url: string) => ({
        database: { url, poolSize: 3 },
        schema: 'signins',
        notify: 'none' as const,
      }),
    });
    const app = await start({ imports: [AddressModule], storage } as never);
    expect(app.get(PostgresSettings, { strict: false })).toMatchObject({ schema: 'signins', notify: 'none' });
    await logIn(app);
    await app.close();
    expect(await rows('SELECT generation FROM signins.sessions')).toEqual([{ generation: 0 }]);
  });

  // Seen red with the connections closed beside what was still to be recorded.
  it('records what still waits before it is closed, and leaves no connection', async () => {
    const app = await start({ database: { url: urlOf(EMPTY) } });
    const { dataSource } = app.get(TypeOrmUnitOfWork, { strict: false });
    const attempt = new Attempt({ ip: '192.0.2.1', userAgent: 'closing' }, new Date());
    app
      .get(AuthEvents, { strict: false })
      .recordJunk([
        new AuthTokenRefreshAttempted(attempt.beginning({ userId: null, sessionId: null, generation: null })),
      ]);
    await app.close();
    expect(dataSource.isInitialized).toBe(false);
    expect(await rows(`SELECT FROM ratchet.auth_events WHERE user_agent = 'closing'`)).toHaveLength(1);
  });

  it('that is not there fails the start in a sentence without its address', async () => {
    const failure = start({ database: { url: urlOf('nowhere_at_all') } });
    await expect(failure).rejects.toThrow(
      `The database of auth's own (database.url) cannot be used: database "nowhere_at_all" does not exist`,
    );
    await expect(start({ database: { url: 'postgres://user:secret@127.0.0.1:1/auth' } })).rejects.toThrow(
      /^The database of auth's own \(database\.url\) cannot be used: connect ECONNREFUSED 127\.0\.0\.1:1$/,
    );
  });
});
