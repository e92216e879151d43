import type { Section } from './report';
import { inRounds, type Setting } from './setting';
import { median, ratio, round, throughput, whole } from './support/figures';
import type { JobResult, Workload } from './support/jobs';
import { startServer } from './support/server-process';
import { floor, KEYS, ratchet } from './support/servers';
import { seedSessions } from './support/sessions';

const CLIENTS = 16;

/**
 * What a second process gives: the same clients, spread over one or more processes on one database. The floor is measured
 * beside it, since it shows what the machine has left for a second process of anything.
 */
export async function processes(setting: Setting, counts: readonly number[]): Promise<Section> {
  const { postgres, load, rounds, seconds, sessions, tell } = setting;
  tell('seeding and starting');
  const most = Math.max(...counts);
  const target = async (who: string, name: string, command: typeof ratchet, workload: Workload) => {
    const database = await postgres.create(name, 'migrated');
    await seedSessions(database.client, sessions);
    const started = Array.from({ length: most }, (_, at) =>
      startServer(command(postgres.folder, database.url, {}, `${name}-${at + 1}`)),
    );
    return { who, name, workload, servers: await Promise.all(started) };
  };
  const targets = [
    await target('Ratchet', 'processes', ratchet, { kind: 'refresh', root: KEYS.refreshRoot, sessions }),
    await target('floor', 'processes_floor', floor, { kind: 'refresh', sessions }),
  ];
  const runs = targets.flatMap((one) => counts.map((count) => ({ ...one, count, results: [] as JobResult[] })));
  // The first round warms up.
  await inRounds(rounds + 1, runs, async ({ who, name, servers, workload, count, results }, turn) => {
    tell(`round ${turn} of ${rounds}: ${who}, processes: ${count}`);
    const urls = servers.slice(0, count).map(({ url }) => url);
    const result = await load.run({ target: name, urls, workload, clients: CLIENTS, seconds });
    if (turn > 0) results.push(result);
  });
  for (const { servers } of targets) for (const server of servers) await server.stop();

  const [fewest, largest] = [counts[0], counts.at(-1)];
  const speed = (who: string, count?: number) =>
    throughput(runs.find((one) => one.who === who && one.count === count)?.results ?? []);
  const gain = (who: string, count = largest) => ratio(speed(who, count), speed(who, fewest));
  return {
    name: 'processes',
    command: `npm run bench -- --processes ${counts.join()}`,
    budget: [
      {
        figure: `refresh/s of ${largest} processes ÷ of ${fewest}`,
        value: gain('Ratchet'),
        must: gain('floor'),
        aim: 1.15,
        better: 'higher',
      },
    ],
    tables: [
      {
        title: `Refreshes, ${CLIENTS} clients`,
        columns: ['who', 'processes', 'refresh/s', `÷ ${fewest}`, 'p50 ms', 'p99 ms'],
        rows: runs.map(({ who, count, results }) => [
          who,
          String(count),
          whole(median(throughput(results))),
          round(gain(who, count), 2),
          round(median(results.map(({ p50 }) => p50)), 2),
          round(median(results.map(({ p99 }) => p99)), 2),
        ]),
      },
    ],
  };
}
