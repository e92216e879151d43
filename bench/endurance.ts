import type { Section } from './report';
import type { Setting } from './setting';
import { megabytes, round, shortCount, whole } from './support/figures';
import { used } from './support/measure';
import { startServer } from './support/server-process';
import { KEYS, ratchet } from './support/servers';
import { seedSessions } from './support/sessions';

const percent = (share: number) => (Number.isNaN(share) ? '–' : `${round(share * 100, 2)} %`);
const CLIENTS = 64;
const SESSIONS = 10_000;

/** Whether rotating for ever leaves anything behind: many refreshes of few sessions. */
export async function endurance({ postgres, load, tell }: Setting, requests: number): Promise<Section> {
  const database = await postgres.create('endurance', 'migrated');
  await seedSessions(database.client, SESSIONS);
  const before = await database.table('sessions');
  const server = await startServer(ratchet(postgres.folder, database.url));
  tell(`${whole(requests)} refreshes`);
  const workload = { kind: 'refresh', root: KEYS.refreshRoot, sessions: SESSIONS } as const;
  const writers = await database.writers();
  const result = await load.run({ target: 'endurance', urls: [server.url], workload, clients: CLIENTS, requests });
  const rss = server.rss();
  await database.client.query('CHECKPOINT');
  const written = (used(await database.writers(), writers) / result.requests) * 1e6;
  await server.stop();
  const after = await database.table('sessions');
  const events = await database.table('auth_events');
  const { rows } = await database.client.query<{ rotations: string; oldest: number }>(
    'SELECT sum(generation) AS rotations, max(generation) AS oldest FROM sessions',
  );

  return {
    name: 'endurance',
    command: `npm run bench -- --endurance ${shortCount(requests)}`,
    budget: [
      {
        figure: `rows in sessions after ${whole(requests)} refreshes of ${whole(SESSIONS)} sessions`,
        value: after.rows,
        must: SESSIONS,
        aim: SESSIONS,
        better: 'equal',
        digits: 0,
      },
      {
        figure: 'HOT share of the rotations',
        value: after.hotShare * 100,
        must: 95,
        aim: 99,
        better: 'higher',
        digits: 1,
        unit: '%',
      },
    ],
    tables: [
      {
        title: 'Before and after',
        columns: ['', 'before', 'after'],
        rows: [
          ['rows in sessions', whole(before.rows), whole(after.rows)],
          ['sessions with indexes', megabytes(before.bytes), megabytes(after.bytes)],
          ['sum of all generations', '0', whole(Number(rows[0]?.rotations))],
          ['highest generation', '0', whole(Number(rows[0]?.oldest))],
          ['rows in auth_events', '0', whole(events.rows)],
          ['auth_events with indexes', '', megabytes(events.bytes)],
          [
            'rotations whose page had no room (n_tup_newpage_upd)',
            '',
            percent((1 - after.hotShare) * after.movedShare),
          ],
          [
            'rotations that touched an index for another cause',
            '',
            percent((1 - after.hotShare) * (1 - after.movedShare)),
          ],
          ['autovacuums of sessions', '', String(after.vacuums)],
        ],
      },
      {
        title: 'The load',
        columns: ['clients', 'refresh/s', 'p50 ms', 'p99 ms', 'RSS MB', 'writers µs, with a checkpoint'],
        rows: [
          [
            String(CLIENTS),
            whole(result.requests / result.seconds),
            round(result.p50, 2),
            round(result.p99, 2),
            whole(rss),
            round(written, 1),
          ],
        ],
      },
    ],
  };
}
