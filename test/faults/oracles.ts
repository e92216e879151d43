import type { Client } from 'pg';

/** What the suite has done, and what must stay at nothing. */
export const tally = {
  kills: 0,
  faults: 0,
  requests: 0,
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
  const { kills, faults, requests, ...wrong } = tally;
  const found = Object.entries(wrong).map(
    ([what, times]) => `${what.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} ${times}`,
  );
  process.stdout.write(`${kills} kills, ${faults} other faults, ${requests} requests: ${found.join(', ')}\n`);
  expect(requests).toBeGreaterThan(0);
  expect(wrong).toEqual(Object.fromEntries(Object.keys(wrong).map((name) => [name, 0])));
}

const first = async (client: Client, sql: string): Promise<number> => {
  const { rows } = await client.query<{ count: number }>(sql);
  return rows[0]!.count;
};

/** Asks the database itself, once nobody is at work: every attempt has one ending, and nothing is held open. */
export async function inspect(client: Client): Promise<void> {
  tally.attemptsWithoutOneEnding += await first(
    client,
    `SELECT count(*)::integer AS count FROM (
       SELECT attempt_id FROM auth_events WHERE attempt_id IS NOT NULL AND type ~ '\\.(attempted|succeeded|failed)\\.v1$'
        GROUP BY attempt_id, split_part(type, '.', 2)
       HAVING count(*) FILTER (WHERE type LIKE '%.attempted.v1') <> 1
           OR count(*) FILTER (WHERE type NOT LIKE '%.attempted.v1') <> 1) AS broken`,
  );
  tally.idleInTransaction += await first(
    client,
    `SELECT count(*)::integer AS count FROM pg_stat_activity
      WHERE state LIKE 'idle in transaction%' AND datname = current_database() AND state_change < now() - interval '1 second'`,
  );
  tally.changesWithoutRecord += await first(
    client,
    `SELECT count(*)::integer AS count FROM sessions s
      WHERE s.generation <> (SELECT count(*) FROM auth_events e WHERE e.session_id = s.id
                              AND e.type = 'auth.token_refresh.succeeded.v1' AND (e.details->>'replayed')::boolean IS NOT TRUE)
         OR (s.revoked_at IS NOT NULL) <> EXISTS (SELECT FROM auth_events e WHERE e.session_id = s.id
                              AND e.type IN ('auth.session.revoked.v1', 'auth.session.evicted.v1'))`,
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
    `SELECT quote_ident(relname) AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
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
