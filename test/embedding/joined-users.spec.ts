import { Injectable } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { decodeJwt } from 'jose';
import { DataSource } from 'typeorm';
import {
  AuthModule,
  authSchema,
  TypeOrmUnitOfWork,
  UserDirectory,
  type UserTable,
  type UserWithPassword,
} from '../../src';
import { type HostDatabase, hostDatabase } from './support/host';
import { hostOptions, type InProcessHost, PASSWORD, startHostOf } from './support/people';

const ANN = 'ann@example.com';
const TABLE: UserTable = {
  table: 'people',
  id: 'id',
  idType: 'integer',
  email: 'email',
  roles: 'roles',
  isActive: 'is_active',
};

/** The host reads its table as it should; what auth reads of it by itself is what `joinable` says. */
const directoryWith = (joinable: unknown) => {
  @Injectable()
  class People extends UserDirectory {
    override readonly joinable = joinable as UserTable;
    constructor(private readonly unitOfWork: TypeOrmUnitOfWork) {
      super();
    }
    async findById(id: string) {
      return this.find('id::text = $1', id);
    }
    async findByLogin(login: string) {
      return this.find('email = $1', login);
    }
    async replacePasswordHash() {
      return false;
    }
    private async find(where: string, value: string): Promise<UserWithPassword | null> {
      const found = await this.unitOfWork.manager.query<UserWithPassword[]>(
        `SELECT id::text, email, password_hash AS "passwordHash", ARRAY['user'] AS roles, true AS "isActive" FROM people WHERE ${where}`,
        [value],
      );
      return found[0] ?? null;
    }
  }
  return People;
};

describe('A host whose table is joined', () => {
  let database: HostDatabase;
  beforeAll(async () => {
    database = await hostDatabase();
  });
  afterAll(() => database.drop());

  const start = (joinable: unknown) => {
    const { entities, migrations } = authSchema();
    return startHostOf([
      TypeOrmModule.forRoot({
        type: 'postgres',
        url: database.url,
        entities: [...entities],
        migrations: [...migrations],
        migrationsRun: true,
      }),
      AuthModule.forRootAsync({ useFactory: hostOptions, userDirectory: directoryWith(joinable) }),
    ]);
  };

  // Seen red: a start without a word, and a first refresh that was a syntax error of SQL.
  it.each([
    ['idType', { ...TABLE, idType: 'serial' }, 'must be text or uuid or integer or bigint'],
    ['idType', { ...TABLE, idType: undefined }, 'must be text or uuid or integer or bigint'],
    ['idType', { ...TABLE, idType: 'toString' }, 'must be text or uuid or integer or bigint'],
    ['table', { ...TABLE, table: '"people"' }, 'must be a name without quotes'],
    ['table', { ...TABLE, table: '' }, 'must be a name without quotes'],
    ['schema', { ...TABLE, schema: 7 }, 'must be a name without quotes'],
    ['isActive', { ...TABLE, isActive: undefined }, 'must be a name without quotes'],
    ['claims', { ...TABLE, claims: 'a"b' }, 'must be a name without quotes'],
    ['roles', {}, ''],
  ])('does not start with a bad %s (%#)', async (name, joinable, rule) => {
    const message =
      rule === '' ? 'joinable.table of the UserDirectory' : `joinable.${name} of the UserDirectory ${rule}`;
    await expect(start(joinable)).rejects.toThrow(message);
  });

  it('starts with null for `joinable`, as with none', async () => {
    const host = await start(null);
    await host.close();
  });

  it('has the claims of a column in each access token, as they are now', async () => {
    const host = await start({ ...TABLE, claims: 'said' });
    const query = (sql: string) => host.app.get(DataSource).query(sql);
    try {
      await query(
        'CREATE TABLE people (id integer PRIMARY KEY, email text, password_hash text, roles text[], is_active boolean, said jsonb)',
      );
      const hash = await host.hash();
      await query(`INSERT INTO people VALUES (7, '${ANN}', '${hash}', '{user}', true, '{"plan": "free"}')`);
      let { body } = await host.logIn(ANN, PASSWORD);
      const refreshed = async () => {
        ({ body } = await host.refresh(body.refreshToken));
        return decodeJwt(body.accessToken).plan;
      };
      expect(await refreshed()).toBe('free');
      await query(`UPDATE people SET said = '{"plan": "paid"}'`);
      expect(await refreshed()).toBe('paid');
      for (const none of ['NULL', `'7'`]) {
        await query(`UPDATE people SET said = ${none}`);
        expect(await refreshed()).toBeUndefined();
      }
    } finally {
      await query('DROP TABLE IF EXISTS people');
      await host.close();
    }
  });

  // Seen red: a column that is no boolean made everybody inactive, which ended their sessions; roles in one text made access
  // tokens that no guard takes.
  describe.each([
    ['roles', 'text', 'boolean', 'roles must be an array of strings'],
    ['is_active', 'text[]', 'smallint', 'isActive must be true or false'],
  ])('with a column %s that is not as auth needs it', (_, roles, isActive, sentence) => {
    let host: InProcessHost;
    let logged: jest.SpyInstance;
    beforeAll(async () => {
      host = await start(TABLE);
      await host.app.get(DataSource).query(`
        CREATE TABLE people (id integer PRIMARY KEY, email text, password_hash text, roles ${roles}, is_active ${isActive})`);
      await host.app
        .get(DataSource)
        .query(`INSERT INTO people VALUES (7, $1, $2, '{user}', '1')`, [ANN, await host.hash()]);
      logged = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
    });
    afterAll(async () => {
      logged.mockRestore();
      await host.app.get(DataSource).query('DROP TABLE people');
      await host.close();
    });

    it('says so at a refresh, and ends no session', async () => {
      const { body } = await host.logIn(ANN, PASSWORD);
      expect(await host.refresh(body.refreshToken)).toMatchObject({ status: 503, body: { code: 'unavailable' } });
      expect(logged.mock.calls.join('')).toContain(
        `joinable of the UserDirectory has returned a user whose ${sentence}`,
      );
      const [session] = await host.app
        .get(DataSource)
        .query<object[]>('SELECT revoked_at, generation FROM ratchet.sessions WHERE id = $1', [body.sessionId]);
      expect(session).toEqual({ revoked_at: null, generation: 0 });
    });
  });
});
