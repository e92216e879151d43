import type { INestApplication } from '@nestjs/common';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import {
  type AuthEvent,
  AuthEventLog,
  AuthEvents,
  classOf,
  type DirectoryUser,
  PasswordHasher,
  type RecordBound,
  SessionRepository,
  UserDirectory,
  type UserWithPassword,
} from '../../src';
import {
  AuthTestingModule,
  InMemoryAuthEventLog,
  InMemoryRevocationFeed,
  InMemorySecurityPolicyRepository,
  InMemorySessionRepository,
  InMemoryStore,
  InMemoryUserDirectory,
} from '../../src/testing';
import { ask } from './support/host';

const ID = '0197a2ff-0000-7000-8000-000000000001';
const ANN = { email: 'ann@example.com', password: 'a long enough passphrase' };

/** Hashes that anybody can read. */
class PlainHasher extends PasswordHasher {
  async hash(password: string): Promise<string> {
    return `plain ${password}`;
  }
  async verify(password: string, hash: string | null): Promise<boolean> {
    return hash === `plain ${password}`;
  }
  needsRehash(): boolean {
    return false;
  }
}

/** Keeps what it is told, and records nothing. */
class KeptEvents extends AuthEvents {
  readonly kept: AuthEvent[] = [];
  async record(events: readonly AuthEvent[]): Promise<void> {
    this.dispatch(events);
  }
  async recordUpTo(_: RecordBound, events: readonly AuthEvent[]): Promise<void> {
    this.dispatch(events);
  }
  recordJunk(events: readonly AuthEvent[]): void {
    this.dispatch(events);
  }
  dispatch(events: readonly AuthEvent[]): void {
    this.kept.push(...events);
  }
}

/** One user, who signs in by a nickname. */
class OneUser extends UserDirectory {
  private user: UserWithPassword = { id: ID, email: ANN.email, roles: ['owner'], isActive: true, passwordHash: '' };

  constructor(passwordHash: string) {
    super();
    this.user = { ...this.user, passwordHash };
  }
  async findById(id: string): Promise<DirectoryUser | null> {
    return id === ID ? this.user : null;
  }
  async findByLogin(login: string): Promise<UserWithPassword | null> {
    return login === 'ann@home' ? this.user : null;
  }
  async replacePasswordHash(): Promise<boolean> {
    return false;
  }
}

describe('a part that overrideProvider has put in', () => {
  let app: INestApplication;
  let url: string;
  afterEach(() => app.close());

  async function start(replace: (module: TestingModuleBuilder) => TestingModuleBuilder): Promise<void> {
    const module = await replace(Test.createTestingModule({ imports: [AuthTestingModule.forRoot()] })).compile();
    app = module.createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
    const passwordHash = await app.get(PasswordHasher).hash(ANN.password);
    const users = app.get(UserDirectory);
    if (users instanceof InMemoryUserDirectory) {
      await users.add({ id: ID, email: ANN.email, roles: ['user'], isActive: true, passwordHash });
    }
  }
  const logIn = (account = ANN) => ask('POST', `${url}/auth/login`, account);

  it('hashes the passwords: PasswordHasher', async () => {
    await start((module) => module.overrideProvider(PasswordHasher).useClass(PlainHasher));
    expect((await app.get(UserDirectory).findByLogin(ANN.email))?.passwordHash).toBe(`plain ${ANN.password}`);
    expect((await logIn()).status).toBe(200);
    expect((await logIn({ ...ANN, password: 'another passphrase' })).status).toBe(401);
  });

  it('keeps the sessions: SessionRepository', async () => {
    const store = new InMemoryStore();
    const feed = new InMemoryRevocationFeed(store);
    const policies = new InMemorySecurityPolicyRepository(store, feed);
    const sessions = new InMemorySessionRepository(store, policies, new InMemoryAuthEventLog(store), feed);
    await start((module) => module.overrideProvider(SessionRepository).useValue(sessions));
    const { body } = await logIn();
    expect([...store.sessions.keys()]).toEqual([body.sessionId]);
    expect(app.get(InMemoryStore).sessions.size).toBe(0);
  });

  it('gets the events: AuthEvents', async () => {
    const events = new KeptEvents();
    await start((module) => module.overrideProvider(AuthEvents).useValue(events));
    expect((await logIn({ ...ANN, password: 'another passphrase' })).status).toBe(401);
    expect(events.kept.map((event) => classOf(event).type)).toEqual([
      'auth.login.attempted.v1',
      'auth.login.failed.v1',
    ]);
    expect((await app.get(AuthEventLog).find({}, 10)).items).toEqual([]);
  });

  it('knows the users: UserDirectory', async () => {
    const passwordHash = await new PlainHasher().hash(ANN.password);
    await start((module) =>
      module
        .overrideProvider(UserDirectory)
        .useValue(new OneUser(passwordHash))
        .overrideProvider(PasswordHasher)
        .useClass(PlainHasher),
    );
    expect((await logIn()).status).toBe(401);
    const { body } = await logIn({ ...ANN, email: 'ann@home' });
    const me = await ask('GET', `${url}/auth/me`, undefined, body.accessToken);
    expect(me).toMatchObject({ status: 200, body: { id: ID, roles: ['owner'] } });
  });
});
