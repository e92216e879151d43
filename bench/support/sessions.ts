import { createHash } from 'node:crypto';
import type { Client } from 'pg';
import { RefreshTokenKeyRing } from '../../src/auth/domain/refresh-token';

/**
 * The sessions of the benchmarks, numbered from 0. A session's id and first secret follow from its number, in SQL and here,
 * so that ten million of them are seeded in one statement and any of them can be used without asking.
 */

/** The shape that a browser sends. */
export const USER_AGENT =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';

const SESSIONS_PER_USER = 10;
const SESSION_PREFIX = '01900000-0000-7000-8000-';
const USER_PREFIX = '01900000-0000-7000-9000-';

const twelveHex = (number: number): string => number.toString(16).padStart(12, '0');
export const sessionIdOf = (number: number): string => SESSION_PREFIX + twelveHex(number);
export const userIdOf = (number: number): string => USER_PREFIX + twelveHex(Math.floor(number / SESSIONS_PER_USER));

const secretOf = (number: number): Buffer => createHash('sha256').update(`secret ${number}`).digest();

/** Makes the first token of a session, in the format of a server. */
export type FirstToken = (number: number) => string;

export function ratchetToken(root: string): FirstToken {
  const ring = new RefreshTokenKeyRing([{ id: 0, root: Buffer.from(root, 'base64') }]);
  return (number) => ring.seal({ keyId: 0, sessionId: sessionIdOf(number), generation: 0, secret: secretOf(number) });
}

/** The floor's tokens: session id and secret. */
export const plainToken: FirstToken = (number) => `${sessionIdOf(number)}.${secretOf(number).toString('base64url')}`;

const idSql = (prefix: string, number: string) => `('${prefix}' || lpad(to_hex(${number}), 12, '0'))::uuid`;

/** Fills a migrated database with sessions that were opened just now, and with their users. */
export async function seedSessions(client: Client, count: number): Promise<void> {
  const users = Math.ceil(count / SESSIONS_PER_USER);
  await client.query(`
    INSERT INTO users (id, email, password_hash, roles)
    SELECT ${idSql(USER_PREFIX, 'n')}, 'user' || n || '@example.com', 'none', '{user}'
      FROM generate_series(0, ${users - 1}) AS n`);
  await insertSessions(client, count, idSql(USER_PREFIX, `n / ${SESSIONS_PER_USER}`));
  await client.query('VACUUM ANALYZE users, sessions');
  await client.query('CHECKPOINT');
}

/** Fills a migrated database with sessions of one user, who is there. */
export async function seedSessionsOf(client: Client, userId: string, count: number): Promise<void> {
  await insertSessions(client, count, `'${userId}'`);
  await client.query('VACUUM ANALYZE sessions');
  await client.query('CHECKPOINT');
}

async function insertSessions(client: Client, count: number, userSql: string): Promise<void> {
  await client.query(`
    INSERT INTO sessions (id, user_id, token_hash, key_id, token_version, global_version_at_issuance, delivery,
                          expires_at, absolute_expires_at, device_id, device_name, user_agent, ip_address,
                          last_user_agent, last_ip_address)
    SELECT ${idSql(SESSION_PREFIX, 'n')}, ${userSql},
           sha256(sha256(convert_to('secret ' || n, 'UTF8'))), 0, 1, 1, 'body',
           now() + interval '7 days', now() + interval '30 days', 'device-' || n, 'Laptop', '${USER_AGENT}', '127.0.0.1',
           '${USER_AGENT}', '127.0.0.1'
      FROM generate_series(0, ${count - 1}) AS n`);
}
