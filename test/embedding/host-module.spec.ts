import { randomBytes } from 'node:crypto';
import { type DynamicModule, Injectable, Module } from '@nestjs/common';
import { CommandBus, CqrsModule } from '@nestjs/cqrs';
import { EventEmitterModule } from '@nestjs/event-emitter';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  AccessTokenAuthenticator,
  Attempt,
  AuthEvents,
  authSchema,
  AuthModule,
  type AuthModuleOptions,
  AuthTokenRefreshAttempted,
  type DirectoryUser,
  type GivenAuthOptions,
  LogInCommand,
  TypeOrmUnitOfWork,
  UserDirectory,
  type UserWithPassword,
} from '../../src';
import { dataSourceOptions } from '../../src/postgres/data-source';
import { testDatabase, type TestDatabase } from '../support/database/test-database';

const OPTIONS: GivenAuthOptions = {
  accessTokenKeys: [{ kid: 'k1', secret: randomBytes(32) }],
  accessTokenIssuer: 'host',
  accessTokenAudience: 'host',
  refreshTokenKeys: [{ id: 1, root: randomBytes(32) }],
  bcryptCost: 4,
};

class Nobody extends UserDirectory {
  async findById(): Promise<DirectoryUser | null> {
    return null;
  }
  async findByLogin(): Promise<UserWithPassword | null> {
    return null;
  }
  async replacePasswordHash(): Promise<boolean> {
    return false;
  }
}

@Injectable()
class Registry {}

/** Needs something of the host's, and something of auth's. */
@Injectable()
class PeopleDirectory extends Nobody {
  constructor(
    readonly registry: Registry,
    readonly unitOfWork: TypeOrmUnitOfWork,
  ) {
    super();
  }
}

@Module({ providers: [Registry], exports: [Registry] })
class RegistryModule {}

@Module({ providers: [Nobody], exports: [Nobody] })
class PeopleModule {}

@Module({ imports: [RegistryModule], providers: [PeopleDirectory], exports: [PeopleDirectory] })
class PeopleOfAuthModule {}

@Module({ providers: [{ provide: 'guarded', inject: [AccessTokenAuthenticator], useFactory: (it: unknown) => it }] })
class SomewhereElse {}

describe("auth in a host's module", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase();
  });
  afterAll(() => database.close());

  const typeOrm = () =>
    TypeOrmModule.forRoot(
      dataSourceOptions(
        { url: database.url, poolSize: 2, migrateOnStart: false },
        { entities: [...authSchema().entities], migrations: [] },
      ),
    );
  const auth = (extras: Partial<AuthModuleOptions> & { imports?: DynamicModule['imports'] }): DynamicModule => {
    const { imports = [], ...rest } = extras;
    return AuthModule.forRootAsync({ useFactory: () => OPTIONS, imports, ...rest });
  };
  const start = async (...imports: NonNullable<DynamicModule['imports']>) => {
    const module = await Test.createTestingModule({
      imports: [...imports, typeOrm(), CqrsModule.forRoot(), EventEmitterModule.forRoot()],
    }).compile();
    return module.init();
  };

  it('takes the very instance of the directory that the host exports', async () => {
    const app = await start(auth({ imports: [PeopleModule], userDirectory: Nobody }));
    expect(app.get(UserDirectory, { strict: false })).toBe(app.select(PeopleModule).get(Nobody));
    await app.close();
  });

  it("makes the directory, with what the host's modules export and with its own unit of work", async () => {
    const app = await start(auth({ imports: [RegistryModule], userDirectory: PeopleDirectory }));
    const directory = app.get<PeopleDirectory>(UserDirectory, { strict: false });
    expect(directory).toBeInstanceOf(PeopleDirectory);
    expect(directory.registry).toBe(app.select(RegistryModule).get(Registry));
    expect(directory.unitOfWork).toBe(app.get(TypeOrmUnitOfWork, { strict: false }));
    await app.close();
  });

  it("takes an exported directory that is made with auth's unit of work, once auth is global", async () => {
    const app = await start(auth({ imports: [PeopleOfAuthModule], userDirectory: PeopleDirectory, isGlobal: true }));
    const directory = app.get<PeopleDirectory>(UserDirectory, { strict: false });
    expect(directory).toBe(app.select(PeopleOfAuthModule).get(PeopleDirectory));
    await app.close();
  });

  it('says what a directory of its own cannot be given', async () => {
    await expect(start(auth({ userDirectory: PeopleDirectory }))).rejects.toThrow(/PeopleDirectory .*Registry/);
  });

  it('is visible everywhere when it is global, and only then', async () => {
    await expect(start(SomewhereElse, auth({ userDirectory: Nobody }))).rejects.toThrow(/AccessTokenAuthenticator/);
    const app = await start(SomewhereElse, auth({ userDirectory: Nobody, isGlobal: true }));
    expect(app.get('guarded', { strict: false })).toBe(app.get(AccessTokenAuthenticator, { strict: false }));
    await app.close();
  });

  it("answers commands on the host's one bus", async () => {
    const app = await start(auth({ userDirectory: Nobody }));
    const seen: string[] = [];
    app.get(CommandBus, { strict: false }).subscribe(({ constructor }) => seen.push(constructor.name));
    const result = await app.get(CommandBus, { strict: false }).execute(new LogInCommand('a', 'b', {}, 'body'));
    expect(result.ok).toBe(false);
    expect(seen).toEqual(['LogInCommand']);
    await app.close();
  });

  // Seen red with auth itself global: imported before the database, it is closed after it.
  it.each([false, true])('records what still waits before the pool is closed, global: %p', async (isGlobal) => {
    const app = await start(auth({ userDirectory: Nobody, isGlobal }));
    const attempt = new Attempt({ ip: '192.0.2.1', userAgent: 'closing' }, new Date());
    const event = new AuthTokenRefreshAttempted(attempt.beginning({ userId: null, sessionId: null, generation: null }));
    app.get(AuthEvents, { strict: false }).recordJunk([event]);
    await app.close();
    const connection = await database.connect(1);
    const rows = await connection.query('SELECT id FROM auth_events WHERE attempt_id = $1', [event.context.attemptId]);
    expect(rows).toHaveLength(1);
  });
});
