import type { Section } from './report';
import { inRounds, type Setting } from './setting';
import {
  median,
  medianOf,
  megabytes,
  ratio,
  round,
  type Sample,
  shortCount,
  throughput,
  whole,
} from './support/figures';
import { measure, type Target } from './support/measure';
import { startServer } from './support/server-process';
import { KEYS, ratchet } from './support/servers';
import { seedSessions } from './support/sessions';

const CLIENTS = 16;

interface Size extends Target {
  readonly sessions: number;
  readonly bytes: number;
  readonly samples: Sample[];
}

/** Whether refreshes slow down when there are more sessions: a database and a server for each number, measured in turn. */
export async function growth(setting: Setting, counts: readonly number[]): Promise<Section> {
  const { postgres, rounds, tell } = setting;
  const sizes: Size[] = [];
  for (const sessions of counts) {
    tell(`seeding ${whole(sessions)} sessions`);
    const name = `growth_${sessions}`;
    const database = await postgres.create(name, 'migrated');
    await seedSessions(database.client, sessions);
    sizes.push({
      who: name,
      sessions,
      bytes: (await database.table('sessions')).bytes,
      database,
      server: await startServer(ratchet(postgres.folder, database.url, {}, name)),
      workload: { kind: 'refresh', root: KEYS.refreshRoot, sessions },
      samples: [],
    });
  }
  for (const size of sizes) await measure(setting, size, CLIENTS);
  await inRounds(rounds, sizes, async (size, turn) => {
    tell(`round ${turn + 1} of ${rounds}: ${whole(size.sessions)} sessions`);
    size.samples.push(await measure(setting, size, CLIENTS));
  });
  for (const { server } of sizes) await server.stop();

  const speed = (size: Size | undefined) => throughput(size?.samples ?? []);
  const [smallest] = sizes;
  const largest = sizes.at(-1);
  return {
    name: 'growth',
    command: `npm run bench -- --growth ${counts.map(shortCount).join()}`,
    budget: [
      {
        figure: `refresh/s with ${shortCount(counts.at(-1) ?? 0)} sessions ÷ with ${shortCount(counts[0] ?? 0)}`,
        value: ratio(speed(largest), speed(smallest)),
        must: 0.85,
        aim: 0.95,
        better: 'higher',
      },
    ],
    tables: [
      {
        title: `Refreshes of sessions all over the table, ${CLIENTS} clients`,
        columns: ['sessions', 'table with indexes', 'refresh/s', '÷ first', 'p50 ms', 'p99 ms'],
        rows: sizes.map((size) => [
          whole(size.sessions),
          megabytes(size.bytes),
          whole(median(speed(size))),
          round(ratio(speed(size), speed(smallest)), 2),
          round(medianOf(size.samples, 'p50'), 2),
          round(medianOf(size.samples, 'p99'), 2),
        ]),
      },
    ],
  };
}
