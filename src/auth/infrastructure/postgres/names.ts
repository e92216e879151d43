import { SCHEMA_NAME } from '../../options/postgres.settings';

/** The names of everything that auth has in a database. */
export type Names = ReturnType<typeof names>;

/**
 * The one place for names in PostgreSQL: entities, migrations and statements all ask it. Every name holds the schema, as a
 * prefix or as a part, so that two applications share a database, and two schemas a process.
 * @throws Error if it is no name for a schema
 * @internal
 */
export function names(schema: string) {
  if (!SCHEMA_NAME.holds(schema)) throw new Error(`The schema of auth's tables ${SCHEMA_NAME.words}`);
  /** Of a table, an index or a function. Quoted, since a word of SQL may name a schema. */
  const inSchema = (name: string) => `"${schema}".${name}`;
  return {
    schema,
    inSchema,
    sessions: inSchema(TABLES.sessions),
    events: inSchema(TABLES.events),
    floors: inSchema(TABLES.floors),
    policy: inSchema(TABLES.policy),
    revocations: inSchema(TABLES.revocations),
    /** The channel of NOTIFY, which belongs to the database. */
    channel: `ratchet_${schema}_revocations`,
    /** A prepared statement, of which a host's pool has others. */
    statement: (name: string) => `ratchet_${schema}_${name}`,
    /** The text that is hashed to the key of an advisory lock, which belongs to the database. */
    lock: (what: string) => `ratchet ${schema} ${what}`,
    /** An entity or a migration, by which TypeORM tells those of two schemas apart. */
    typeOrm: (name: string) => `Ratchet_${schema}_${name}`,
  };
}

/** Without the schema, as TypeORM wants them. */
export const TABLES = {
  sessions: 'sessions',
  events: 'auth_events',
  floors: 'user_token_versions',
  policy: 'security_policy',
  revocations: 'revocations',
} as const;
