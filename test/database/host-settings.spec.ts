import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Client } from 'pg';
import { DataSource, DefaultNamingStrategy } from 'typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions';
import {
  AuthModule,
  authSchema,
  CleanUpSessionsCommand,
  FindAuthEventsQuery,
  PreviewGlobalRotationQuery,
  RefreshTokenReuseDetected,
} from '../../src';
import {
  hostOptions,
  ID_TYPES,
  type InProcessHost,
  PASSWORD,
  peopleWith,
  startHostOf,
} from '../embedding/support/people';
import { ADMIN, startTestApplication } from '../support/app/test-application';
import { plantParsers, RUBBISH } from '../support/database/hostile-parsers';
import { administer, freshDatabase, type TestDatabase } from '../support/database/test-database';

const [FOR_HOSTS, FOR_OPERATORS] = ['embedding', 'operations'].map((name) =>
  readFileSync(join(__dirname, `../../docs/${name}.md`), 'utf8'),
) as [string, string];
const NEXT = 'another long passphrase';
const DAY = 24 * 60 * 60;

const people = peopleWith(
  ID_TYPES.find(({ idType }) => idType === 'text')!,
  false,
);
const peopleIn = (schema: string) => `
  CREATE TABLE ${schema}.people (
    id text PRIMARY KEY, email text NOT NULL, password_hash text NOT NULL, roles text[] NOT NULL,
    is_active boolean NOT NULL DEFAULT true)`;
/** PostgreSQL's ids of the types of the host's own table, which the host reads by its own parsers. */
const [BOOL, TEXT, TEXT_ARRAY] = [16, 25, 1009] as const;
const READ_BY_THE_HOST = [BOOL, TEXT, TEXT_ARRAY];

type Options = Partial<Omit<PostgresDataSourceOptions, 'type'>>;

interface Row {
  readonly setting: string;
  /** What the host gives to TypeORM; everything else is set before the host starts. */
  readonly options: (place: Place) => Options | Promise<Options>;
  /** What stops the start; without it, the setting has no effect. */
  readonly problem?: string;
  /** What fails of a clean-up. */
  readonly failures?: readonly object[];
}

/** A migrated database of a row, with the host's people in it. */
class Place {
  private readonly cleanUps: (() => unknown)[] = [];
  private readonly admin: Client;

  private constructor(readonly database: TestDatabase) {
    this.admin = new Client({ connectionString: database.url });
  }

  static async create(): Promise<Place> {
    const database = await freshDatabase();
    // As a host has it, which knows nothing of auth's schema.
    await administer(`ALTER DATABASE "${new URL(database.url).pathname.slice(1)}" RESET search_path`);
    const place = new Place(database);
    await place.admin.connect();
    await place.admin.query(peopleIn('public'));
    return place;
  }

  async query<T = object>(text: string, values: unknown[] = []): Promise<T[]> {
    const { rows } = await this.admin.query(text, values);
    return rows as T[];
  }

  /** The address for {@link ROLE}, which is created with `attributes`. */
  async urlAs(attributes: string): Promise<string> {
    await administer(`CREATE ROLE ${ROLE} LOGIN PASSWORD 'secret' ${attributes}`);
    this.later(async () => {
      await this.query(`DROP OWNED BY ${ROLE}`); // its rights, in this database
      await administer(`DROP ROLE ${ROLE}`);
    });
    const url = new URL(this.database.url);
    url.username = ROLE;
    url.password = 'secret';
    return url.href;
  }

  async urlWithDocumentedRights(): Promise<string> {
    const url = await this.urlAs('');
    for (const document of [FOR_HOSTS, FOR_OPERATORS]) {
      const [, grants = ''] = /```sql\n\s*(GRANT [^]*?)```/.exec(document) ?? [];
      await this.query(grants.replaceAll('ledger', ROLE));
    }
    await this.query(`GRANT SELECT, UPDATE ON people TO ${ROLE}`);
    return url;
  }

  later(work: () => unknown): void {
    this.cleanUps.push(work);
  }

  async cleanUp(): Promise<void> {
    for (const work of this.cleanUps.splice(0).reverse()) await work();
  }

  async close(): Promise<void> {
    await this.cleanUp();
    await this.admin.end();
    await this.database.close();
  }
}

const ROLE = `host_${randomUUID().slice(0, 8)}`;
const sessionOptions = (options: string): Options => ({ extra: { options: `-c ${options}` } });

/** Columns without their underscores. */
class Shortening extends DefaultNamingStrategy {
  override columnName(property: string, given: string | undefined): string {
    return (given ?? property).replaceAll('_', '');
  }
}
/** pg-native itself is not installed: this is what its client is recognised by. */
class LikeNative extends Client {
  readonly native = {};
}

const RETENTION_ALONE = [{ step: 'the audit trail', problem: 'permission denied for table auth_events_default' }];

const ROWS: readonly Row[] = [
  {
    setting: '`replication`, with a replica that is behind',
    options: async (place) => {
      const replica = await freshDatabase();
      place.later(() => replica.close());
      return {
        url: undefined,
        replication: { master: { url: place.database.url }, slaves: [{ url: replica.url }] },
      } as unknown as Options;
    },
  },
  {
    setting: '`cache: { alwaysEnabled: true }`',
    options: async (place) => {
      await place.query(
        'CREATE TABLE cached_results (id serial, identifier varchar, time bigint, duration int, query text, result text)',
      );
      return { cache: { type: 'database', alwaysEnabled: true, tableName: 'cached_results', duration: 60_000 } };
    },
  },
  {
    setting: 'type parsers, by `pg.types.setTypeParser`',
    options: (place) => {
      place.later(plantParsers(READ_BY_THE_HOST));
      return {};
    },
  },
  {
    setting: 'type parsers of the pool, in `extra.types`',
    options: () => ({
      extra: {
        types: {
          getTypeParser: (id: number) => {
            if (id === TEXT_ARRAY) return (text: string) => text.slice(1, -1).split(',');
            return id === BOOL ? (text: string) => text === 't' : id === TEXT ? String : () => RUBBISH;
          },
        },
      },
    }),
  },
  { setting: '`isolationLevel`', options: () => ({ isolationLevel: 'SERIALIZABLE' }) },
  ...['repeatable read', 'serializable'].map((isolation): Row => ({
    setting: `\`default_transaction_isolation\` of the role: ${isolation}`,
    options: async (place) => {
      const url = await place.urlAs('SUPERUSER');
      await administer(`ALTER ROLE ${ROLE} SET default_transaction_isolation = '${isolation}'`);
      return { url };
    },
  })),
  { setting: 'the time zone', options: () => sessionOptions('timezone=Asia/Kathmandu') },
  { setting: '`bytea_output`', options: () => sessionOptions('bytea_output=escape') },
  {
    setting: '`schema`',
    options: async (place) => {
      await place.query(`CREATE SCHEMA ledger; ${peopleIn('ledger')}; DROP TABLE public.people`);
      return { schema: 'ledger' };
    },
  },
  { setting: '`synchronize`', options: () => ({ synchronize: true }) },
  {
    setting: '`search_path`, with tables of the same names',
    options: async (place) => {
      const decoys = ['sessions', 'auth_events', 'user_token_versions', 'security_policy', 'revocations'];
      await place.query(
        `CREATE SCHEMA ledger; ${decoys.map((name) => `CREATE TABLE ledger.${name} (id text)`).join('; ')}`,
      );
      return sessionOptions('search_path=ledger,public');
    },
  },
  {
    setting: 'a role that owns nothing',
    options: async (place) => ({ url: await place.urlWithDocumentedRights() }),
    failures: RETENTION_ALONE,
  },
  {
    setting: 'no entities of `authSchema()`',
    options: () => ({ entities: [people.entity] }),
    problem: "the DataSource does not have auth's entities: add entities: [...authSchema().entities]",
  },
  {
    setting: '`entityPrefix`',
    options: () => ({ entityPrefix: 'app_' }),
    problem:
      "entityPrefix changes names of auth's (ratchet.sessions is ratchet.app_sessions, ratchet.security_policy is ratchet.app_security_policy, ratchet.user_token_versions is ratchet.app_user_token_versions, ratchet.auth_events is ratchet.app_auth_events): remove it",
  },
  {
    setting: 'a naming strategy that changes a name which an entity gives',
    options: () => ({ namingStrategy: new Shortening() }),
    problem: expect.stringMatching(
      /^a naming strategy changes names of auth's \(sessions\.user_id is userid, .*, auth_events\.user_agent is useragent\): let it keep the names that an entity gives$/,
    ) as string,
  },
  {
    setting: '`DateStyle` other than ISO',
    options: () => sessionOptions('datestyle=German'),
    problem: "DateStyle is German, DMY: set extra: { options: '-c datestyle=ISO' }",
  },
  {
    setting: '`default_transaction_read_only`',
    options: () => sessionOptions('default_transaction_read_only=on'),
    problem: "default_transaction_read_only is on: set extra: { options: '-c default_transaction_read_only=off' }",
  },
  {
    setting: '`extra.binary`',
    options: () => ({ extra: { binary: true } }),
    problem: 'the driver asks for binary values, which TypeORM cannot read either: remove `binary`',
  },
  {
    setting: 'pg-native, which TypeORM uses if it is installed',
    options: () => ({ extra: { Client: LikeNative } }),
    problem:
      "the driver is pg-native, which parses values for all statements alike: set driver: { ...require('pg') }, or uninstall pg-native",
  },
  {
    setting: 'missing tables',
    options: async (place) => {
      await place.query('ALTER SCHEMA ratchet RENAME TO elsewhere');
      place.later(() => place.query('ALTER SCHEMA elsewhere RENAME TO ratchet'));
      return {};
    },
    problem:
      'the schema ratchet lacks sessions, auth_events, user_token_versions, security_policy, revocations: run the migrations of authSchema()',
  },
  {
    setting: 'missing columns',
    options: async (place) => {
      const rename = (from: string, to: string) => place.query(`ALTER TABLE ratchet.sessions RENAME ${from} TO ${to}`);
      for (const column of ['amr', 'acr']) {
        await rename(column, `${column}_before`);
        place.later(() => rename(`${column}_before`, column));
      }
      return {};
    },
    problem: 'the table sessions lacks amr, acr: run the migrations of authSchema()',
  },
  {
    setting: 'missing rights of the role',
    options: async (place) => {
      const url = await place.urlWithDocumentedRights();
      await place.query(`REVOKE UPDATE ON ratchet.revocations FROM ${ROLE}`);
      return { url };
    },
    problem: `the role ${ROLE} lacks UPDATE on revocations: GRANT UPDATE ON "ratchet".revocations TO "${ROLE}"`,
  },
];

async function start(place: Place, { options }: Row): Promise<InProcessHost> {
  const dataSource = {
    type: 'postgres',
    url: place.database.url,
    poolSize: 4,
    entities: [...authSchema().entities, people.entity],
    ...(await options(place)),
  } as PostgresDataSourceOptions;
  const host = await startHostOf([
    TypeOrmModule.forRoot(dataSource),
    AuthModule.forRootAsync({
      useFactory: () => ({ ...hostOptions(), auditRetentionSeconds: 90 * DAY }),
      userDirectory: people.Directory,
    }),
  ]);
  place.later(() => host.close());
  return host;
}

/** Everything that auth does, once, and what has to come of it. */
async function goAround(host: InProcessHost, place: Place): Promise<void> {
  const table = host.app.get(DataSource).getMetadata(people.entity).tablePath;
  const join = async (roles: string[]) => {
    const email = `${randomUUID()}@example.com`;
    const id = randomUUID();
    await place.query(`INSERT INTO ${table} VALUES ($1, $2, $3, $4, true)`, [id, email, await host.hash(), roles]);
    return { id, email };
  };
  const opened = async (email: string, password = PASSWORD) => {
    const { status, body } = await host.logIn(email, password);
    expect({ status, body }).toMatchObject({ status: 200 });
    return body as { accessToken: string; refreshToken: string; sessionId: string };
  };
  const guarded = async (token: string) => (await host.ask('GET', '/whoami', undefined, token)).status;
  const ask: QueryBus['execute'] = (question: never) => host.app.get(QueryBus).execute(question);
  const [ann, root] = [await join(['user']), await join(['user', 'admin'])];
  const admin = await opened(root.email);
  const administrate = (method: string, path: string, body?: object) =>
    host.ask(method, `/admin${path}`, body, admin.accessToken);

  // A rotation, its replays at once, then a reuse
  const first = await opened(ann.email);
  expect(await guarded(first.accessToken)).toBe(200);
  const answers = await Promise.all(Array.from({ length: 8 }, () => host.refresh(first.refreshToken)));
  expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
  const second = answers[0]!.body as typeof first;
  expect(new Set(answers.map(({ body }) => body.refreshToken)).size).toBe(1);
  expect(await host.refresh(second.refreshToken)).toMatchObject({ status: 200, body: { generation: 2 } });
  expect(await host.refresh(first.refreshToken)).toMatchObject({ status: 401, body: { code: 'token_revoked' } });
  expect(await guarded(second.accessToken)).toBe(401);

  // A log-out
  const third = await opened(ann.email);
  expect(await host.ask('POST', '/auth/logout', { refreshToken: third.refreshToken })).toMatchObject({ status: 204 });
  expect(await host.refresh(third.refreshToken)).toMatchObject({ status: 401 });
  expect(await guarded(third.accessToken)).toBe(401);

  // A new password
  const fourth = await opened(ann.email);
  const passwords = { currentPassword: PASSWORD, newPassword: NEXT };
  const changed = await host.ask('POST', '/auth/password', passwords, fourth.accessToken);
  expect(changed).toMatchObject({ status: 200 });
  expect(await host.logIn(ann.email)).toMatchObject({ status: 401 });
  expect(await guarded(fourth.accessToken)).toBe(401);
  const fifth = await opened(ann.email, NEXT);

  // What administrators see and do
  const { body: sessions } = await administrate('GET', `/users/${ann.id}/sessions`);
  expect(sessions.items).toMatchObject([{ id: fifth.sessionId }, { id: changed.body.sessionId }]);
  expect(Date.parse(sessions.items[0].createdAt)).not.toBeNaN();
  const { items } = await ask(new FindAuthEventsQuery({ sessionId: first.sessionId }, 200));
  expect(items.map(({ type }) => type)).toContain(RefreshTokenReuseDetected.type);
  for (const { occurredAt } of items) expect(occurredAt).toBeInstanceOf(Date);
  expect(await administrate('GET', '/security')).toMatchObject({ status: 200, body: { globalMinTokenVersion: 1 } });
  expect(await ask(new PreviewGlobalRotationQuery())).toMatchObject({ newVersion: 2, sessionsAffected: 3 });
  const reason = { reason: 'a test' };
  expect(await administrate('POST', `/users/${ann.id}/rotations`, reason)).toMatchObject({ status: 201 });
  expect(await guarded(fifth.accessToken)).toBe(401);
  expect(await administrate('POST', '/security/rotations', { ...reason, mode: 'immediate' })).toMatchObject({
    status: 201,
  });
  expect(await guarded(admin.accessToken)).toBe(401);
}

async function cleanUp({ app }: Pick<InProcessHost, 'app'>, place: Place) {
  await place.query(
    `INSERT INTO ratchet.sessions (id, user_id, token_hash, key_id, token_version, global_version_at_issuance, delivery,
                                   expires_at, absolute_expires_at, user_agent)
     VALUES (gen_random_uuid(), 'ann', '', 0, 1, 1, 'body', '2020-01-01', '2020-01-01', 'test')`,
  );
  await place.query(
    `INSERT INTO ratchet.revocations (kind, subject_id, reason, created_at)
     SELECT 'session', gen_random_uuid(), 'user_logout', '2020-01-01' FROM generate_series(1, 2)`,
  );
  return app.get(CommandBus).execute(new CleanUpSessionsCommand());
}

describe("a setting of the host's", () => {
  // Seen red, one by one: with the host's DataSource as it is, without the types of statements, without the second try of a
  // statement, and with one failure for the whole clean-up.
  it.each(ROWS.filter(({ problem }) => problem === undefined))('$setting has no effect', async (row) => {
    const place = await Place.create();
    try {
      const host = await start(place, row);
      await goAround(host, place);
      expect(await cleanUp(host, place)).toMatchObject({ sessions: 1, revocations: 2, failures: row.failures ?? [] });
    } finally {
      await place.close();
    }
  });

  describe('that does not fit:', () => {
    // One for all: a start that stops has changed nothing.
    let place: Place;
    beforeAll(async () => {
      place = await Place.create();
    });
    afterEach(() => place.cleanUp());
    afterAll(() => place.close());

    // Seen red without the check: the start succeeds, and every login is answered 503.
    it.each(ROWS.filter(({ problem }) => problem !== undefined))('$setting stops the start', async (row) => {
      const stopped = await start(place, row).then(
        () => 'it started',
        (error: unknown) => (error as Error).message,
      );
      const [first, ...problems] = stopped.split('\n');
      expect(first).toBe('AuthModule cannot use the DataSource:');
      expect(problems.pop()).toMatch(/^If your application needs .* `database: { url }`\.$/);
      expect(problems.map((line) => line.replace(/^ {2}- /, ''))).toEqual([row.problem]);
    });

    it('starts when all is as it should be', async () => {
      await expect(start(place, { setting: 'nothing', options: () => ({}) })).resolves.toBeDefined();
    });
  });

  it('is in docs/embedding.md, with what happens', () => {
    const [, table = ''] = /<!-- host settings -->\n([^]*?)<!-- \/host settings -->/.exec(FOR_HOSTS) ?? [];
    const documented = [...table.matchAll(/^\| (.*?) \| (no effect|stops the start)\b.* \|$/gm)].map(
      ([, setting, happens]) => [setting, happens],
    );
    expect(documented).toEqual(
      ROWS.map(({ setting, problem }) => [setting, problem === undefined ? 'no effect' : 'stops the start']),
    );
    expect(table.trim().split('\n')).toHaveLength(2 + ROWS.length);
  });
});

it('an application whose role owns nothing works, but for the retention of its audit trail', async () => {
  const place = await Place.create();
  const url = await place.urlWithDocumentedRights();
  const app = await startTestApplication({ database: { ...place.database, url }, env: { AUDIT_RETENTION: '90d' } });
  try {
    expect(await app.get('/health/ready')).toMatchObject({ status: 200 });
    const account = await app.register();
    const { body } = await app.logIn(account);
    expect(await app.refresh(body.refreshToken)).toMatchObject({ status: 200 });
    const { accessToken } = (await app.logIn(ADMIN)).body;
    const change = await app.request('PATCH', `/admin/users/${account.id}`, {
      body: { roles: ['admin'] },
      bearer: accessToken,
    });
    expect(change).toMatchObject({ status: 200 });
    expect(await cleanUp(app, place)).toMatchObject({ sessions: 1, revocations: 2, failures: RETENTION_ALONE });
  } finally {
    await app.close();
    await place.close();
  }
});
