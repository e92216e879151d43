import type { Client } from 'pg';
import { EVENTS } from '../support/app/events';
import { until } from '../support/until';

/** What the suite has done, and what must stay at nothing. */
export const tally = {
  kills: 0,
  faults: 0,
  requests: 0,
  /** Seconds from the return of a database server to the first answers of all. */
  recoveries: [] as number[],
  sessionsLost: 0,
  doubled: 0,
  attemptsWithoutOneEnding: 0,
  changesWithoutRecord: 0,
  wrongDecisions: 0,
  secretsFound: 0,
  idleInTransaction: 0,
};

/** Prints all of it, and fails for whatever is not nothing. */
export function expectNothingWrong(): void {
  const { kills, faults, requests, recoveries, ...wrong } = tally;
  const found = Object.entries(wrong).map(
    ([what, times]) => `${what.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} ${times}`,
  );
  const back = recoveries.map((seconds) => `${seconds.toFixed(2)} s`).join(', ');
  process.stdout.write(
    `${kills} kills, ${faults} other faults, ${requests} requests: ${found.join(', ')}` +
      `${back && `; at work again after the database's return in ${back}`}\n`,
  );
  expect(requests).toBeGreaterThan(0);
  expect(wrong).toEqual(Object.fromEntries(Object.keys(wrong).map((name) => [name, 0])));
}

const first = async (client: Client, sql: string): Promise<number> => {
  const { rows } = await client.query<{ count: number }>(sql);
  return rows[0]!.count;
};

/**
 * Asks for what is held open while those who hold it are still there, and at rest. What is between two statements of a
 * transaction goes on at once; what has stood still for a second was forgotten.
 */
export async function inspectConnections(client: Client): Promise<void> {
  await until(async () => {
    const { rows } = await client.query<{ forgotten: boolean }>(
      `SELECT state_change < now() - interval '1 second' AS forgotten FROM pg_stat_activity
        WHERE state LIKE 'idle in transaction%' AND datname = current_database()`,
    );
    const forgotten = rows.filter((row) => row.forgotten).length;
    tally.idleInTransaction += forgotten;
    return forgotten > 0 || rows.length === 0;
  });
}

/** Asks the database itself, once nobody is at work: every attempt has one ending, and every change its record. */
export async function inspect(client: Client): Promise<void> {
  tally.attemptsWithoutOneEnding += await first(
    client,
    `SELECT count(*)::integer AS count FROM (
       SELECT attempt_id FROM ${EVENTS} WHERE attempt_id IS NOT NULL AND type ~ '\\.(attempted|succeeded|failed)\\.v1$'
        GROUP BY attempt_id, split_part(type, '.', 2)
       HAVING count(*) FILTER (WHERE type LIKE '%.attempted.v1') <> 1
           OR count(*) FILTER (WHERE type NOT LIKE '%.attempted.v1') <> 1) AS broken`,
  );
  const endedBelow = `COALESCE((SELECT ended_below FROM user_token_versions f WHERE f.user_id = s.user_id), 0)`;
  tally.changesWithoutRecord += await first(
    client,
    `SELECT count(*)::integer AS count FROM sessions s
      WHERE s.generation <> (SELECT count(*) FROM auth_events e WHERE e.session_id = s.id
                              AND e.type = 'auth.token_refresh.succeeded.v1' AND (e.details->>'replayed')::boolean IS NOT TRUE)
         OR (s.revoked_at IS NOT NULL OR s.token_version < ${endedBelow}) <> (
              EXISTS (SELECT FROM auth_events e WHERE e.session_id = s.id
                         AND e.type IN ('auth.session.revoked.v1', 'auth.session.evicted.v1'))
              OR EXISTS (SELECT FROM auth_events e WHERE e.user_id = s.user_id AND e.type = 'auth.sessions.all_revoked.v1'
                         AND e.details->>'exceptSessionId' <> s.id::text AND s.id <= (e.details->>'throughSessionId')::uuid)
              OR s.token_version < ${endedBelow} AND EXISTS (SELECT FROM auth_events e WHERE e.user_id = s.user_id
                         AND e.type = 'auth.sessions.all_revoked.v1'))`,
  );
  tally.changesWithoutRecord += await first(
    client,
    `SELECT count(*)::integer AS count FROM sessions s
      WHERE NOT EXISTS (SELECT FROM auth_events e WHERE e.session_id = s.id AND e.type = 'auth.session.created.v1')`,
  );
  // A floor is raised with the end of all sessions, by an administrator, or for a role that was taken away.
  tally.changesWithoutRecord += await first(
    client,
    `SELECT count(*)::integer AS count FROM user_token_versions f
      WHERE f.min_token_version - 1 <> (SELECT count(*) FROM auth_events e WHERE e.user_id = f.user_id
        AND (e.type = 'auth.sessions.all_revoked.v1' AND e.details->'exceptSessionId' IS NULL
             OR e.type = 'auth.user_rotation.succeeded.v1'
             OR e.type = 'auth.user.roles_changed.v1' AND NOT e.details->'previousRoles' <@ (e.details->'roles')))`,
  );
  tally.changesWithoutRecord += await first(
    client,
    `SELECT abs(max(global_min_token_version) - 1 - (SELECT count(*) FROM auth_events
       WHERE type = 'auth.global_rotation.succeeded.v1'))::integer AS count FROM security_policy`,
  );
  // One row is one live token; this would be a fork.
  tally.doubled += await first(
    client,
    `SELECT count(*)::integer AS count FROM (
       SELECT session_id, generation FROM auth_events
        WHERE type = 'auth.token_refresh.succeeded.v1' AND (details->>'replayed')::boolean IS NOT TRUE
        GROUP BY 1, 2 HAVING count(*) > 1) AS forks`,
  );
}

/** How often a secret stands in a table, a row of it, or `log`, in any of the spellings that it could have. */
export async function searchFor(client: Client, secrets: readonly string[], log: string): Promise<void> {
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT quote_ident(relname) AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'ratchet'::regnamespace`,
  );
  let haystack = log;
  for (const { name } of tables) {
    const { rows } = await client.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`);
    haystack += rows.map(({ row }) => row).join('\n');
  }
  for (const secret of secrets) {
    tally.secretsFound += spellingsOf(secret).filter((spelling) => haystack.includes(spelling)).length;
  }
}

function spellingsOf(secret: string): string[] {
  const bytes = [Buffer.from(secret)];
  if (secret.startsWith('rt1_')) bytes.push(Buffer.from(secret.slice(4), 'base64url').subarray(21, 53));
  return [secret, ...bytes.flatMap((one) => [one.toString('hex'), one.toString('base64'), one.toString('base64url')])];
}
