import type { EntitySchema, EntitySchemaColumnOptions } from 'typeorm';
import type { Floors } from '../../../guard/versions';
import { AuthTokenRefreshSucceeded } from '../../domain/events';
import { type BulkEnding, READ_BY_REFRESH, type RefreshSession } from '../../domain/refresh-decision';
import type { RefreshReading } from '../../ports/session.repository';
import type { UserDirectory, UserTable } from '../../ports/user-directory';
import { authEventEntity } from './auth-event.entity';
import type { Names } from './names';
import { securityPolicyEntity } from './security-policy.entity';
import { sessionEntity } from './session.entity';
import { userTokenVersionEntity } from './user-token-version.entity';

/** How many sessions one statement reads at most. */
export const READ_TOGETHER = 16;

/** A session with all that decides its refresh, as PostgreSQL writes it in JSON: times in ISO 8601, bytes in hex. */
export interface FoundForRefresh {
  /** Which of the ids it belongs to, from 0. */
  readonly place: number;
  readonly row: Record<string, unknown> & { readonly hasPolicy: boolean };
}

interface RefreshRow extends RefreshSession, Floors, BulkEnding {
  readonly recoveryUntil: Date | null;
  readonly now: Date;
  readonly hasUser?: boolean;
  readonly email?: string | null;
  readonly roles?: string[] | null;
  readonly isActive?: boolean | null;
  readonly userClaims?: Record<string, unknown> | null;
}

/** A statement with the name under which a connection prepares it. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** The SQL of a value by its number: a parameter of a statement, or a column of what it was given. */
type Value = (number: number) => string;
const parameter: Value = (number) => `$${number}`;
const given: Value = (number) => `given_${number}`;

/** What a record takes beside the changed row: its id, its time, its attempt, generation, address, user agent, details. */
const RECORD_TYPES = ['uuid', 'timestamptz', 'uuid', 'bigint', 'inet', 'text', 'jsonb'] as const;
/** What a rotation takes: the live token's id, generation and digest, the next one's columns, the record. */
const ROTATION_TYPES = [
  ...(['uuid', 'integer', 'bytea'] as const),
  ...(['bytea', 'bytea', 'smallint', 'bytea', 'integer', 'integer', 'timestamptz', 'text', 'inet'] as const),
  ...RECORD_TYPES,
];

/** The refresh's statements. What ended before `retained`, in SQL, is not found. */
export function refreshStatements(names: Names, users: UserDirectory, retained: string) {
  const { sessions, policy, floors, events } = names;
  const session = sessionEntity(names);
  const s = columnsOf(session);
  const p = columnsOf(securityPolicyEntity(names));
  const f = columnsOf(userTokenVersionEntity(names));
  const e = columnsOf(authEventEntity(names));
  const types: Readonly<Record<string, EntitySchemaColumnOptions | undefined>> = session.options.columns;
  const readOfType = (type: string) => READ_BY_REFRESH.filter((name) => types[name]?.type === type);
  const user = users.joinable ?? undefined;
  if (user !== undefined) demandNames(user);
  const times = [...readOfType('timestamptz'), 'now', 'graceEndsAt', 'recoveryUntil'];
  const bytes = readOfType('bytea');
  // What JSON makes of bytes depends on the server's `bytea_output`.
  const read = (property: keyof RefreshSession): string =>
    `${bytes.includes(property) ? `encode(s.${s[property]}, 'hex')` : `s.${s[property]}`} AS "${property}"`;

  // The clock and not now(), which is the time of the statement's beginning: a rotation that commits between that and the
  // snapshot would be newer than the moment that judges it, and its predecessor outside the window.
  // LIMIT leaves the planner no choice but a look-up for each. A row is returned as one JSON column, since in pg a column
  // costs more than its value: with every answer it builds a parser for each.
  const findTogether = (count: number) => `
    SELECT wanted.place, row_to_json(found) AS row
      FROM (VALUES ${Array.from({ length: count }, (_, place) => `(${place}, $${place + 1}::uuid)`).join(', ')}) AS wanted (place, id),
           LATERAL (
             SELECT ${READ_BY_REFRESH.map(read).join(', ')},
                    clock_timestamp() AS "now",
                    COALESCE(f.${f.minTokenVersion}, 1) AS "userMinTokenVersion",
                    COALESCE(f.${f.endedBelow}, 0) AS "endedBelow",
                    f.${f.endedReason} AS "endedReason",
                    p.${p.id} IS NOT NULL AS "hasPolicy",
                    p.${p.globalMinTokenVersion} AS "globalMinTokenVersion",
                    p.${p.mode} AS "mode",
                    p.${p.graceEndsAt} AS "graceEndsAt",
                    p.${p.recoveryUntil} AS "recoveryUntil"
                    ${user ? `, u."${user.id}" IS NOT NULL AS "hasUser", u."${user.email}" AS "email", u."${user.roles}" AS "roles", u."${user.isActive}" AS "isActive"` : ''}
                    ${user?.claims === undefined ? '' : `, u."${user.claims}" AS "userClaims"`}
               FROM ${sessions} s
               LEFT JOIN ${floors} f ON f.${f.userId} = s.${s.userId}
               LEFT JOIN ${policy} p ON p.${p.id} = 1
               ${user ? `LEFT JOIN ${tableOf(user)} u ON u."${user.id}" = ${CASTS[user.idType](`s.${s.userId}`)}` : ''}
              WHERE s.${s.id} = wanted.id AND s.${s.absoluteExpiresAt} >= ${retained}
              LIMIT 1
           ) AS found`;

  // Few sizes, since each is a name on each connection; what an id is missing for is NULL, and finds nothing.
  const finds = [1, 2, 4, 8, READ_TOGETHER].map((count) => ({
    count,
    name: names.statement(`find_for_refresh_${count}`),
    text: findTogether(count),
  }));
  /** What reads `ids` sessions, at most {@link READ_TOGETHER}, and takes `count` ids, the rest of them NULL. */
  const find = (ids: number) => {
    const statement = finds.find(({ count }) => count >= ids);
    if (statement === undefined) throw new RangeError(`${ids} sessions are more than one statement reads`);
    return statement;
  };

  const readingOf = (json: FoundForRefresh['row']): RefreshReading => {
    const row: Record<string, unknown> = json;
    for (const name of times) if (row[name] !== null) row[name] = new Date(row[name] as string);
    for (const name of bytes) if (row[name] !== null) row[name] = Buffer.from(row[name] as string, 'hex');
    const reading = row as unknown as RefreshRow;
    const { userId: id, hasUser, email, roles, isActive, userClaims: claims, recoveryUntil, now } = reading;
    const found =
      hasUser === true ? { id, email: email ?? '', roles: roles ?? [], isActive: isActive ?? false, claims } : null;
    return { session: reading, floors: reading, user: user === undefined ? undefined : found, recoveryUntil, now };
  };

  const { type, outcome } = AuthTokenRefreshSucceeded;
  const recordColumns =
    `${e.type}, ${e.outcome}, ${e.userId}, ${e.sessionId}, ${e.id}, ${e.occurredAt}, ` +
    `${e.attemptId}, ${e.generation}, ${e.ipAddress}, ${e.userAgent}, ${e.details}`;

  const stillLive = ($: Value) =>
    `${s.id} = ${$(1)} AND ${s.generation} = ${$(2)} AND ${s.tokenHash} = ${$(3)} AND ${s.revokedAt} IS NULL AND ${s.expiresAt} > now()`;

  /** What the record takes from the changed row, and from the values that begin with number `first`. */
  const recordOf = ($: Value, first: number) => {
    const values = RECORD_TYPES.map((type, place) => `${$(first + place)}::${type}`).join(', ');
    return `SELECT '${type}', '${outcome}', changed.user_id, changed.session_id, ${values}`;
  };

  /** The change, and its record from the changed row, in one statement; `first` is the number of the record's first parameter. */
  const withRecord = (update: string, first: number) => `
      WITH changed AS (${update} RETURNING ${s.id} AS session_id, ${s.userId} AS user_id)
      INSERT INTO ${events} (${recordColumns})
      ${recordOf(parameter, first)} FROM changed`;

  /** `from` is the generation and the digest of the token that is exchanged. */
  const rotated = ($: Value, from = { generation: s.generation, tokenHash: s.tokenHash }) => `
        SET ${s.generation} = ${from.generation} + 1,
            ${s.tokenHash} = ${$(4)},
            ${s.previousTokenHash} = ${from.tokenHash},
            ${s.successorNonce} = ${$(5)},
            ${s.keyId} = ${$(6)},
            ${s.retryKeyHash} = ${$(7)}::bytea,
            ${s.keyed} = ${s.keyed} OR ${$(7)}::bytea IS NOT NULL,
            ${s.replayCount} = 0,
            ${s.rotatedAt} = now(),
            ${s.lastUsedAt} = now(),
            ${s.tokenVersion} = ${$(8)},
            ${s.globalVersionAtIssuance} = ${$(9)},
            ${s.expiresAt} = LEAST(${$(10)}::timestamptz, ${s.absoluteExpiresAt}),
            ${s.lastUserAgent} = ${$(11)},
            ${s.lastIpAddress} = ${$(12)}`;

  /** The proof of a step-up, whose three values begin with number `first`; without a time, the row keeps its own. */
  const proven = (first: number) => {
    const isGiven = `$${first}::timestamptz IS NOT NULL`;
    return `
            ${s.authTime} = COALESCE($${first}, ${s.authTime}),
            ${s.amr} = CASE WHEN ${isGiven} THEN $${first + 1}::text[] ELSE ${s.amr} END,
            ${s.acr} = CASE WHEN ${isGiven} THEN $${first + 2}::text ELSE ${s.acr} END`;
  };

  const rotate: Statement = {
    name: names.statement('rotate'),
    text: withRecord(`UPDATE ${sessions} ${rotated(parameter)} WHERE ${stillLive(parameter)}`, 13),
  };

  const adopted = { generation: '$20::integer', tokenHash: '$21' };
  const adopt: Statement = {
    name: names.statement('adopt'),
    text: withRecord(
      `UPDATE ${sessions} ${rotated(parameter, adopted)}, ${proven(22)} WHERE ${stillLive(parameter)}`,
      13,
    ),
  };

  // Each parameter is an array of what `rotate` takes one of, in the order of the ids. The sub-selects hide how long they are:
  // otherwise PostgreSQL plans anew for each length. A locked row is passed over, so the statement waits for nobody; LIMIT
  // leaves the planner no choice but a look-up for each.
  const arrays = ROTATION_TYPES.map((type, place) => `(SELECT $${place + 1}::${type}[])`).join(', ');
  const rotateTogether: Statement = {
    name: names.statement('rotate_together'),
    text: `
      WITH given AS (
             SELECT * FROM unnest(${arrays}) WITH ORDINALITY AS given (${ROTATION_TYPES.map((_, place) => given(place + 1)).join(', ')}, place)),
           free AS MATERIALIZED (
             SELECT given.place, locked.at
               FROM given, LATERAL (
                 SELECT ctid AS at FROM ${sessions} WHERE ${s.id} = ${given(1)} LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) AS locked),
           changed AS (
             UPDATE ${sessions} ${rotated(given)} FROM free JOIN given USING (place)
              WHERE ctid = free.at AND ${stillLive(given)}
             RETURNING place, ${s.id} AS session_id, ${s.userId} AS user_id),
           recorded AS (
             INSERT INTO ${events} (${recordColumns}) ${recordOf(given, 13)} FROM changed JOIN given USING (place))
      SELECT json_agg(place) AS places FROM changed`,
  };

  const confirmReplay: Statement = {
    name: names.statement('confirm_replay'),
    text: withRecord(
      `UPDATE ${sessions}
        SET ${s.replayCount} = ${s.replayCount} + $5::integer,
            ${s.retryKeyHash} = COALESCE(${s.retryKeyHash}, $7::bytea),
            ${s.keyed} = ${s.keyed} OR $7::bytea IS NOT NULL, ${proven(8)}
      WHERE ${stillLive(parameter)} AND ${s.keyed} = $4 AND ($5::integer = 0 OR ${s.replayCount} < $6::integer)`,
      11,
    ),
  };

  return { find, readingOf, rotate, adopt, rotateTogether, confirmReplay };
}

const tableOf = ({ schema, table }: UserTable): string =>
  schema === undefined ? `"${table}"` : `"${schema}"."${table}"`;

/** At the start, and not with the first refresh: not every host is compiled. */
function demandNames({ schema = 'none', claims = 'none', table, id, email, roles, isActive, idType }: UserTable): void {
  const demand = (holds: boolean, name: string, rule: string) => {
    if (!holds) throw new Error(`joinable.${name} of the UserDirectory must be ${rule}`);
  };
  for (const [name, value] of Object.entries({ schema, table, id, email, roles, isActive, claims }))
    demand(typeof value === 'string' && /^[^"\0]+$/.test(value), name, 'a name without quotes');
  demand(Object.hasOwn(CASTS, idType), 'idType', Object.keys(CASTS).join(' or '));
}

/** Of two branches PostgreSQL evaluates the one that counts: what is no such id is not cast, and joins nothing. */
const castTo = (type: string, holds: (id: string) => string) => (id: string) =>
  `CASE WHEN ${holds(id)} THEN ${id}::${type} END`;

/** Only what PostgreSQL itself would write, since auth's spelling of an id is the directory's. */
const isWholeNumber = (id: string) =>
  `CASE WHEN ${id} ~ '^(0|-?[1-9][0-9]{0,18})$' THEN ${id}::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 END`;

/** An index on integers serves comparisons with a bigint as well, and no number is too large for one. */
const CASTS: Readonly<Record<UserTable['idType'], (id: string) => string>> = {
  text: (id) => id,
  uuid: castTo('uuid', (id) => `${id} ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'`),
  integer: castTo('bigint', isWholeNumber),
  bigint: castTo('bigint', isWholeNumber),
};

/** The column of each property. */
const columnsOf = <Row>({ options }: EntitySchema<Row>): Record<keyof Row, string> =>
  Object.fromEntries(
    Object.entries<EntitySchemaColumnOptions | undefined>(options.columns).map(([property, column]) => [
      property,
      column?.name,
    ]),
  ) as Record<keyof Row, string>;
