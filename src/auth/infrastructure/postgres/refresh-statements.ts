import type { DataSource, EntityTarget, ObjectLiteral } from 'typeorm';
import type { Floors } from '../../../guard/versions';
import { READ_BY_REFRESH, type RefreshSession } from '../../domain/refresh-decision';
import type { RefreshReading } from '../../ports/session.repository';
import type { UserDirectory } from '../../ports/user-directory';
import { AuthEventEntity } from './auth-event.entity';
import { SecurityPolicyEntity } from './security-policy.entity';
import { SessionEntity } from './session.entity';
import { UserTokenVersionEntity } from './user-token-version.entity';

/** How many sessions one statement reads at most. */
export const READ_TOGETHER = 16;

/** A session with all that decides its refresh, as PostgreSQL writes it in JSON: times in ISO 8601, bytes in hex. */
export interface FoundForRefresh {
  /** Which of the ids it belongs to, from 0. */
  readonly place: number;
  readonly row: Record<string, unknown> & { readonly hasPolicy: boolean };
}

interface RefreshRow extends RefreshSession, Floors {
  readonly now: Date;
  readonly hasUser?: boolean;
  readonly email?: string | null;
  readonly roles?: string[] | null;
  readonly isActive?: boolean | null;
}

/**
 * The refresh's statements, with the names of tables and columns taken from the entities. What ended before `retained`, in
 * SQL, is not found.
 */
export function refreshStatements(dataSource: DataSource, users: UserDirectory, retained: string) {
  const names = <E extends ObjectLiteral>(entity: EntityTarget<E>) => {
    const { tableName, columns } = dataSource.getMetadata(entity);
    const column = Object.fromEntries(columns.map(({ propertyName, databaseName }) => [propertyName, databaseName]));
    return [tableName, column as Record<keyof E, string>] as const;
  };
  const readOfType = (wanted: string): string[] => {
    const { columns } = dataSource.getMetadata(SessionEntity);
    return READ_BY_REFRESH.filter((name) =>
      columns.some((column) => column.propertyName === name && column.type === wanted),
    );
  };
  const [sessions, s] = names(SessionEntity);
  const [policies, p] = names(SecurityPolicyEntity);
  const [floors, f] = names(UserTokenVersionEntity);
  const [events, e] = names(AuthEventEntity);
  const user = users.joinable;
  const times = [...readOfType('timestamptz'), 'now', 'graceEndsAt'];
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
                    p.${p.id} IS NOT NULL AS "hasPolicy",
                    p.${p.globalMinTokenVersion} AS "globalMinTokenVersion",
                    p.${p.mode} AS "mode",
                    p.${p.graceEndsAt} AS "graceEndsAt"
                    ${user ? `, u."${user.id}" IS NOT NULL AS "hasUser", u."${user.email}" AS "email", u."${user.roles}" AS "roles", u."${user.isActive}" AS "isActive"` : ''}
               FROM ${sessions} s
               LEFT JOIN ${floors} f ON f.${f.userId} = s.${s.userId}
               LEFT JOIN ${policies} p ON p.${p.id} = 1
               ${user ? `LEFT JOIN "${user.table}" u ON u."${user.id}" = s.${s.userId}` : ''}
              WHERE s.${s.id} = wanted.id AND s.${s.absoluteExpiresAt} >= ${retained}
              LIMIT 1
           ) AS found`;

  // Few sizes, since each is a name on each connection; what an id is missing for is NULL, and finds nothing.
  const finds = [1, 2, 4, 8, READ_TOGETHER].map((count) => ({
    count,
    name: `ratchet_find_for_refresh_${count}`,
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
    const session = row as unknown as RefreshRow;
    const { userId: id, hasUser, email, roles, isActive, now } = session;
    const found = hasUser === true ? { id, email: email ?? '', roles: roles ?? [], isActive: isActive === true } : null;
    return { session, floors: session, user: user === undefined ? undefined : found, now };
  };

  const stillLive = `${s.id} = $1 AND ${s.generation} = $2 AND ${s.tokenHash} = $3 AND ${s.revokedAt} IS NULL AND ${s.expiresAt} > now()`;

  /** The change, and its two events from the changed row, in one statement; `first` is the number of the first event parameter. */
  const withRecord = (update: string, first: number) => {
    const $ = (offset: number, type: string) => `$${first + offset}::${type}`;
    const event = (at: number) =>
      `(${$(at, 'uuid')}, ${$(at + 1, 'text')}, ${$(at + 2, 'text')}, ${$(at + 3, 'bigint')}, ${$(at + 4, 'jsonb')})`;
    return `
      WITH changed AS (${update} RETURNING ${s.id} AS session_id, ${s.userId} AS user_id)
      INSERT INTO ${events} (${e.id}, ${e.type}, ${e.outcome}, ${e.generation}, ${e.details},
                             ${e.userId}, ${e.sessionId}, ${e.occurredAt}, ${e.attemptId}, ${e.ipAddress}, ${e.userAgent})
      SELECT event.*, changed.user_id, changed.session_id, ${$(0, 'timestamptz')}, ${$(1, 'uuid')}, ${$(2, 'inet')}, ${$(3, 'text')}
        FROM changed, (VALUES ${event(4)}, ${event(9)}) AS event`;
  };

  const rotate = withRecord(
    `UPDATE ${sessions}
        SET ${s.generation} = ${s.generation} + 1,
            ${s.tokenHash} = $4,
            ${s.previousTokenHash} = ${s.tokenHash},
            ${s.successorNonce} = $5,
            ${s.keyId} = $6,
            ${s.retryKeyHash} = $7::bytea,
            ${s.keyed} = ${s.keyed} OR $7::bytea IS NOT NULL,
            ${s.replayCount} = 0,
            ${s.rotatedAt} = now(),
            ${s.lastUsedAt} = now(),
            ${s.tokenVersion} = $8,
            ${s.globalVersionAtIssuance} = $9,
            ${s.expiresAt} = LEAST($10::timestamptz, ${s.absoluteExpiresAt}),
            ${s.lastUserAgent} = $11,
            ${s.lastIpAddress} = $12
      WHERE ${stillLive}`,
    13,
  );

  const confirmReplay = withRecord(
    `UPDATE ${sessions}
        SET ${s.replayCount} = ${s.replayCount} + $5::integer,
            ${s.retryKeyHash} = COALESCE(${s.retryKeyHash}, $7::bytea),
            ${s.keyed} = ${s.keyed} OR $7::bytea IS NOT NULL
      WHERE ${stillLive} AND ${s.keyed} = $4 AND ($5::integer = 0 OR ${s.replayCount} < $6::integer)`,
    8,
  );

  return { find, readingOf, rotate, confirmReplay };
}
