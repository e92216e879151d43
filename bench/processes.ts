import type { Section } from './report';
import { inRounds, type Setting } from './setting';
import { median, ratio, round, throughput, whole } from './support/figures';
import type { JobResult } from './support/jobs';
import { startServer } from './support/server-process';
import { KEYS, ratchet } from './support/servers';
import { seedSessions } from './support/sessions';

const CLIENTS = 16;

/** What a second process gives: the same clients, spread over one or more processes on one database. */
export async function processes(setting: Setting, counts: readonly number[]): Promise<Section> {
  const { postgres, load, rounds, seconds, sessions, tell } = setting;
  tell('seeding and starting');
  const database = await postgres.create('processes', 'migrated');
  await seedSessions(database.client, sessions);
  const servers = await Promise.all(
    Array.from({ length: Math.max(...counts) }, (_, at) =>
      startServer(ratchet(postgres.folder, database.url, {}, `ratchet-${at + 1}`)),
    ),
  );
  const results = new Map<number, JobResult[]>(counts.map((count) => [count, []]));
  // The first round warms up.
  await inRounds(rounds + 1, counts, async (count, turn) => {
    tell(`round ${turn} of ${rounds}: processes: ${count}`);
    const urls = servers.slice(0, count).map(({ url }) => url);
    const workload = { kind: 'refresh', root: KEYS.refreshRoot, sessions } as const;
    const result = await load.run({ target: 'processes', urls, workload, clients: CLIENTS, seconds });
    if (turn > 0) results.get(count)?.push(result);
  });
  for (const server of servers) await server.stop();

  const of = (count: number | undefined) => results.get(count ?? 0) ?? [];
  return {
    name: 'processes',
    command: `npm run bench -- --processes ${counts.join()}`,
    budget: [
      {
        figure: `refresh/s of ${counts.at(-1)} processes ÷ of ${counts[0]}`,
        value: ratio(throughput(of(counts.at(-1))), throughput(of(counts[0]))),
        must: 1.15,
        aim: 1.3,
        better: 'higher',
      },
    ],
    tables: [
      {
        title: `Refreshes, ${CLIENTS} clients`,
        columns: ['processes', 'refresh/s', 'p50 ms', 'p99 ms'],
        rows: counts.map((count) => [
          String(count),
          whole(median(throughput(of(count)))),
          round(median(of(count).map(({ p50 }) => p50)), 2),
          round(median(of(count).map(({ p99 }) => p99)), 2),
        ]),
      },
    ],
  };
}
