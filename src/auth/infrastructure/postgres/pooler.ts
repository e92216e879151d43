import type { ClientBase } from 'pg';
import { OWN_TYPES } from './own-types';

/**
 * Whether a pooler, such as PgBouncer, is between the client and the server: the process that runs the statements is then
 * another one than the client was given when it connected. Which mode the pooler is in cannot be seen from here.
 * @internal
 */
export async function isPooled(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ pid: number }>({ text: 'SELECT pg_backend_pid() AS pid', types: OWN_TYPES });
  const { processID } = client as { processID?: unknown };
  return typeof processID === 'number' && processID !== rows[0]?.pid;
}

/** What a pooler breaks in transaction mode, with what to set. In session mode it breaks nothing. @internal */
export const POOLED_STATEMENTS =
  'named prepared statements go through a pooler, and fail if it pools transactions: ' +
  'set preparedStatements: false (DATABASE_PREPARED_STATEMENTS=false)';
/** @internal */
export const POOLED_LISTEN =
  'LISTEN goes through a pooler, and if it pools transactions, no notification arrives: ' +
  "set listenUrl (DATABASE_LISTEN_URL) to PostgreSQL itself, or notify: 'none' (REVOCATION_NOTIFY=none)";
