import { CommandBus } from '@nestjs/cqrs';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { AuthModule, authSchema, CleanUpSessionsCommand } from '../../src';
import { type HostDatabase, hostDatabase } from './support/host';
import { hostOptions, ID_TYPES, type InProcessHost, PASSWORD, peopleWith, startHostOf } from './support/people';

/** Sessions of the host's own, as a session store for cookies has them. */
@Entity('sessions')
class Session {
  @PrimaryGeneratedColumn()
  sid!: number;

  @Column('json')
  sess!: object;
}

@Entity('auth_events')
class AuthEvent {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('text')
  message!: string;
}

/** Every name of a table, a function and an index that auth uses, taken in `public`, by other things of a host's. */
const HOSTS_OWN = `
  CREATE TABLE sessions (sid serial PRIMARY KEY, sess json NOT NULL);
  CREATE TABLE auth_events (id serial PRIMARY KEY, message text NOT NULL);
  CREATE TABLE revocations (certificate text PRIMARY KEY);
  CREATE TABLE security_policy (id text PRIMARY KEY, body text);
  CREATE TABLE user_token_versions (user_id integer PRIMARY KEY, min_token_version text);
  CREATE TABLE users (id integer PRIMARY KEY);
  CREATE INDEX sessions_user_id ON sessions ((sess ->> 'user'));
  INSERT INTO sessions (sess) VALUES ('{"user": 7}'), ('{"user": 8}');
  INSERT INTO auth_events (message) VALUES ('signed in'), ('signed out');
  INSERT INTO revocations VALUES ('aa:bb'), ('cc:dd');
  INSERT INTO security_policy VALUES ('1', 'No passwords on paper.');
  INSERT INTO user_token_versions VALUES (7, 'seven');
  CREATE TABLE migrations (id serial PRIMARY KEY, timestamp bigint NOT NULL, name varchar NOT NULL);
  INSERT INTO migrations (timestamp, name) VALUES (1790000000000, 'OfTheHost1790000000000');
`;
const TABLES = ['sessions', 'auth_events', 'revocations', 'security_policy', 'user_token_versions', 'users'];

// Seen red with a statement that names no schema: it meets the host's table.
describe("a host whose database has tables of auth's names", () => {
  let database: HostDatabase;
  let own: DataSource;
  let host: InProcessHost;
  let before: unknown;

  /** The host's tables, to the last column and row. */
  const contents = async () =>
    Promise.all(
      TABLES.map(async (table) => [
        table,
        await own.query(
          `SELECT column_name, data_type, column_default FROM information_schema.columns
            WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position`,
          [table],
        ),
        await own.query(`SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND tablename = $1 ORDER BY 1`, [
          table,
        ]),
        await own.query(`SELECT tgname FROM pg_trigger WHERE tgrelid = $1::regclass`, [`public.${table}`]),
        await own.query(`SELECT * FROM public.${table} ORDER BY 1`),
      ]),
    );

  beforeAll(async () => {
    database = await hostDatabase();
    own = await new DataSource({ type: 'postgres', url: database.url }).initialize();
    await own.query(HOSTS_OWN);
    before = await contents();
    const { entity, migration, Directory } = peopleWith(ID_TYPES[0]!, true);
    const schema = authSchema();
    host = await startHostOf([
      TypeOrmModule.forRoot({
        type: 'postgres',
        url: database.url,
        entities: [...schema.entities, entity, Session, AuthEvent],
        migrations: [...schema.migrations, migration],
        migrationsRun: true,
      }),
      AuthModule.forRootAsync({ useFactory: hostOptions, userDirectory: Directory }),
    ]);
    await own.query(`INSERT INTO people (email, password_hash, roles) VALUES ('ann@example.com', $1, '{admin}')`, [
      await host.hash(),
    ]);
  });
  afterAll(async () => {
    await host.close();
    await own.destroy();
    await database.drop();
  });

  it('starts, works, and leaves them as they are', async () => {
    const { body: first } = await host.logIn('ann@example.com');
    const { body: second } = await host.refresh(first.refreshToken);
    expect((await host.refresh(first.refreshToken)).body.refreshToken).toBe(second.refreshToken);
    const { body: third } = await host.refresh(second.refreshToken);
    expect((await host.refresh(first.refreshToken)).status).toBe(401);
    expect((await host.ask('GET', '/whoami', undefined, third.accessToken)).status).toBe(401);

    const { body: admin } = await host.logIn('ann@example.com');
    const told = [
      await host.ask('GET', '/auth/sessions', undefined, admin.accessToken),
      await host.ask('GET', '/admin/security', undefined, admin.accessToken),
      await host.ask('PATCH', '/admin/security', { gracePeriodSeconds: 60 }, admin.accessToken),
      await host.ask(
        'POST',
        '/auth/password',
        { currentPassword: PASSWORD, newPassword: 'another long passphrase' },
        admin.accessToken,
      ),
    ];
    expect(told.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const { accessToken } = told[3]!.body as { accessToken: string };
    expect((await host.ask('POST', '/admin/security/rotations', { reason: 'a test' }, accessToken)).status).toBe(201);
    await host.app.get(CommandBus).execute(new CleanUpSessionsCommand());
    expect(await contents()).toEqual(before);
  });

  it("is asked for the host's own by the host's entities of these names", async () => {
    const sessions = host.app.get(DataSource).getRepository(Session);
    expect(await sessions.find({ order: { sid: 'ASC' } })).toEqual([
      { sid: 1, sess: { user: 7 } },
      { sid: 2, sess: { user: 8 } },
    ]);
    expect(await host.app.get(DataSource).getRepository(AuthEvent).count()).toBe(2);
  });

  it("has run auth's migrations and the new one of its own, although its last one is younger", async () => {
    const names = await own.query<{ name: string }[]>('SELECT name FROM public.migrations ORDER BY id');
    expect(names.map(({ name }) => name)).toEqual([
      'OfTheHost1790000000000',
      ...authSchema().migrations.map((migration) => migration.name || expect.any(String)),
      'CreatePeople1780000000000',
    ]);
  });
});
