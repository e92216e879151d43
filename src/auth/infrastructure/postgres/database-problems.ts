import type { EntitySchema } from 'typeorm';
import { POSTGRES_DEFAULTS } from '../../options/postgres.settings';
import { type Names, TABLES } from './names';

/** What a host's DataSource and database are like, as far as auth depends on it. */
export interface DatabaseFacts {
  /** Auth's entities as the DataSource has them, by the name of the entity. */
  readonly entities: ReadonlyMap<string, EntityNames>;
  readonly entityPrefix: string;
  readonly isNative: boolean;
  readonly isBinary: boolean;
  readonly role: string;
  readonly dateStyle: string;
  readonly isReadOnly: boolean;
  /** Null if there is no such schema. */
  readonly mayUseSchema: boolean | null;
  /** The tables of auth's schema, by name. */
  readonly tables: Readonly<Record<string, TableFacts>>;
}

export interface EntityNames {
  /** With its schema. */
  readonly table: string;
  /** By property. */
  readonly columns: Readonly<Record<string, string>>;
}

export interface TableFacts {
  readonly columns: readonly string[];
  /** Of the role: `SELECT`, `INSERT`, `UPDATE`, `DELETE`. */
  readonly privileges: readonly string[];
}

/** What auth's statements do; a `SELECT … FOR UPDATE` requires `UPDATE`. The log is append-only. */
const PRIVILEGES: Readonly<Record<string, readonly string[]>> = {
  [TABLES.sessions]: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
  [TABLES.events]: ['SELECT', 'INSERT'],
  [TABLES.floors]: ['SELECT', 'INSERT', 'UPDATE'],
  [TABLES.policy]: ['SELECT', 'INSERT', 'UPDATE'],
  [TABLES.revocations]: ['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
};
/** Of the one table without an entity. */
const REVOCATION_COLUMNS = ['id', 'xid', 'kind', 'subject_id', 'min_version', 'reason', 'created_at'];

/** What auth cannot work with, each with what to set; `entities` are auth's. */
export function databaseProblems(facts: DatabaseFacts, names: Names, entities: readonly EntitySchema[]): string[] {
  const schema =
    names.schema === POSTGRES_DEFAULTS.schema ? 'authSchema()' : `authSchema({ schema: '${names.schema}' })`;
  return [
    ...dataSourceProblems(facts, schema, entities),
    ...settingProblems(facts),
    ...tableProblems(facts, names, schema, entities),
  ];
}

function dataSourceProblems(
  { entities, entityPrefix, isNative, isBinary }: DatabaseFacts,
  schema: string,
  expected: readonly EntitySchema[],
): string[] {
  const problems: string[] = [];
  if (expected.some(({ options }) => !entities.has(options.name)))
    problems.push(`the DataSource does not have auth's entities: add entities: [...${schema}.entities]`);
  const renamed = expected.flatMap((entity) => renamedIn(entities.get(entity.options.name), entity));
  if (renamed.length > 0) {
    const cause = entityPrefix === '' ? 'a naming strategy' : 'entityPrefix';
    const wayOut = entityPrefix === '' ? 'let it keep the names that an entity gives' : 'remove it';
    problems.push(`${cause} changes names of auth's (${renamed.join(', ')}): ${wayOut}`);
  }
  if (isNative)
    problems.push(
      "the driver is pg-native, which parses values for all statements alike: set driver: { ...require('pg') }, or uninstall pg-native",
    );
  if (isBinary) problems.push('the driver asks for binary values, which TypeORM cannot read either: remove `binary`');
  return problems;
}

function renamedIn(actual: EntityNames | undefined, { options }: EntitySchema): string[] {
  if (actual === undefined) return [];
  const table = `${options.schema}.${options.tableName}`;
  const renamed = actual.table === table ? [] : [`${table} is ${actual.table}`];
  for (const [property, column] of Object.entries(options.columns)) {
    const name = actual.columns[property];
    if (name !== column?.name) renamed.push(`${options.tableName}.${column?.name} is ${name}`);
  }
  return renamed;
}

function settingProblems({ dateStyle, isReadOnly }: DatabaseFacts): string[] {
  const problems: string[] = [];
  if (!dateStyle.startsWith('ISO'))
    problems.push(`DateStyle is ${dateStyle}: set extra: { options: '-c datestyle=ISO' }`);
  if (isReadOnly)
    problems.push(
      `default_transaction_read_only is on: set extra: { options: '-c default_transaction_read_only=off' }`,
    );
  return problems;
}

function tableProblems(
  { role, tables, mayUseSchema }: DatabaseFacts,
  names: Names,
  schema: string,
  entities: readonly EntitySchema[],
): string[] {
  const migrate = `run the migrations of ${schema}`;
  const problems: string[] = [];
  const missing = Object.keys(PRIVILEGES).filter((table) => tables[table] === undefined);
  if (missing.length > 0) problems.push(`the schema ${names.schema} lacks ${missing.join(', ')}: ${migrate}`);
  if (mayUseSchema === false)
    problems.push(
      `the role ${role} may not use the schema ${names.schema}: GRANT USAGE ON SCHEMA "${names.schema}" TO "${role}"`,
    );
  for (const [table, needed] of Object.entries(PRIVILEGES)) {
    const found = tables[table];
    if (found === undefined) continue;
    const columns = columnsOf(table, entities).filter((column) => !found.columns.includes(column));
    if (columns.length > 0) problems.push(`the table ${table} lacks ${columns.join(', ')}: ${migrate}`);
    const denied = needed.filter((privilege) => !found.privileges.includes(privilege)).join(', ');
    if (denied !== '')
      problems.push(
        `the role ${role} lacks ${denied} on ${table}: GRANT ${denied} ON ${names.inSchema(table)} TO "${role}"`,
      );
  }
  return problems;
}

function columnsOf(table: string, entities: readonly EntitySchema[]): string[] {
  const entity = entities.find(({ options }) => options.tableName === table);
  return entity === undefined
    ? REVOCATION_COLUMNS
    : Object.values(entity.options.columns).map((column) => column?.name ?? '');
}
