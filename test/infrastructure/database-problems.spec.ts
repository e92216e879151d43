import {
  type DatabaseFacts,
  databaseProblems,
  type EntityNames,
} from '../../src/auth/infrastructure/postgres/database-problems';
import { names } from '../../src/auth/infrastructure/postgres/names';
import { authSchema } from '../../src/auth/infrastructure/postgres/schema';

const { entities } = authSchema();

/** The names of an entity, changed or not. */
const entitiesAs = (table: (name: string) => string, column: (name: string) => string): DatabaseFacts['entities'] =>
  new Map(
    entities.map(({ options }): [string, EntityNames] => [
      options.name,
      {
        table: `${options.schema}.${table(options.tableName!)}`,
        columns: Object.fromEntries(
          Object.entries(options.columns).map(([property, { name } = {}]) => [property, column(name!)]),
        ),
      },
    ]),
  );
const same = (name: string) => name;

const ALL = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
const tables: DatabaseFacts['tables'] = {
  ...Object.fromEntries(
    entities.map(({ options }) => [
      options.tableName,
      { columns: Object.values(options.columns).map((column) => column!.name!), privileges: ALL },
    ]),
  ),
  revocations: {
    columns: ['id', 'xid', 'kind', 'subject_id', 'min_version', 'reason', 'created_at'],
    privileges: ALL,
  },
};
const without = (table: string, what: 'columns' | 'privileges', ...gone: string[]): DatabaseFacts['tables'] => ({
  ...tables,
  [table]: { ...tables[table]!, [what]: tables[table]![what].filter((one) => !gone.includes(one)) },
});

const SOUND: DatabaseFacts = {
  entities: entitiesAs(same, same),
  entityPrefix: '',
  isNative: false,
  isBinary: false,
  role: 'ledger',
  dateStyle: 'ISO, DMY',
  isReadOnly: false,
  mayUseSchema: true,
  tables,
};
const problemsOf = (facts: Partial<DatabaseFacts>, schema = 'ratchet') =>
  databaseProblems({ ...SOUND, ...facts }, names(schema), authSchema({ schema }).entities);

describe('what a database is like, and what is to be done about it', () => {
  it('is nothing where nothing is wrong, whatever else is in the schema', () => {
    expect(problemsOf({})).toEqual([]);
    const more = without('sessions', 'columns');
    expect(problemsOf({ tables: { ...more, users: { columns: [], privileges: [] } } })).toEqual([]);
  });

  it.each<[string, Partial<DatabaseFacts>, string]>([
    [
      'no entities',
      { entities: new Map() },
      "the DataSource does not have auth's entities: add entities: [...authSchema().entities]",
    ],
    [
      'one entity missing',
      { entities: new Map([...SOUND.entities].slice(1)) },
      "the DataSource does not have auth's entities: add entities: [...authSchema().entities]",
    ],
    [
      'a prefix',
      { entityPrefix: 'app_', entities: entitiesAs((name) => `app_${name}`, same) },
      "entityPrefix changes names of auth's (ratchet.sessions is ratchet.app_sessions, ratchet.security_policy is ratchet.app_security_policy, ratchet.user_token_versions is ratchet.app_user_token_versions, ratchet.auth_events is ratchet.app_auth_events): remove it",
    ],
    [
      'a naming strategy',
      { entities: entitiesAs(same, (name) => (name === 'user_id' ? 'userid' : name)) },
      "a naming strategy changes names of auth's (sessions.user_id is userid, user_token_versions.user_id is userid, auth_events.user_id is userid): let it keep the names that an entity gives",
    ],
    [
      'another style of dates',
      { dateStyle: 'German, DMY' },
      "DateStyle is German, DMY: set extra: { options: '-c datestyle=ISO' }",
    ],
    [
      'transactions that only read',
      { isReadOnly: true },
      "default_transaction_read_only is on: set extra: { options: '-c default_transaction_read_only=off' }",
    ],
    [
      'no tables',
      { tables: {}, mayUseSchema: null },
      'the schema ratchet lacks sessions, auth_events, user_token_versions, security_policy, revocations: run the migrations of authSchema()',
    ],
    [
      'a table without its new columns',
      { tables: without('sessions', 'columns', 'amr', 'acr') },
      'the table sessions lacks amr, acr: run the migrations of authSchema()',
    ],
    [
      'a closed schema',
      { mayUseSchema: false },
      'the role ledger may not use the schema ratchet: GRANT USAGE ON SCHEMA "ratchet" TO "ledger"',
    ],
    ...[
      ['sessions', ...ALL],
      ['auth_events', 'SELECT', 'INSERT'],
      ['user_token_versions', 'SELECT', 'INSERT', 'UPDATE'],
      ['security_policy', 'SELECT', 'INSERT', 'UPDATE'],
      ['revocations', ...ALL],
    ].map(([table = '', ...privileges]): [string, Partial<DatabaseFacts>, string] => [
      `no privileges on ${table}`,
      { tables: without(table, 'privileges', ...ALL) },
      `the role ledger lacks ${privileges.join(', ')} on ${table}: GRANT ${privileges.join(', ')} ON "ratchet".${table} TO "ledger"`,
    ]),
  ])('is one sentence for %s', (_, facts, sentence) => {
    expect(problemsOf(facts)).toEqual([sentence]);
  });

  it('is one sentence for each problem, and names the schema', () => {
    expect(problemsOf({ dateStyle: 'SQL, MDY', isReadOnly: true, tables: {} }, 'auth')).toEqual([
      "the DataSource does not have auth's entities: add entities: [...authSchema({ schema: 'auth' }).entities]",
      expect.stringMatching(/^DateStyle is SQL, MDY/),
      expect.stringMatching(/^default_transaction_read_only/),
      "the schema auth lacks sessions, auth_events, user_token_versions, security_policy, revocations: run the migrations of authSchema({ schema: 'auth' })",
    ]);
  });
});
