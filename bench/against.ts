import { execFileSync } from 'node:child_process';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Section } from './report';
import { inRounds, type Setting } from './setting';
import { median, medianOf, ratio, round, type Sample, throughput, whole } from './support/figures';
import { measure, type Target } from './support/measure';
import { runNpm, startServer } from './support/server-process';
import { KEYS, ratchet, ROOT } from './support/servers';
import { seedSessions } from './support/sessions';

const CLIENTS = [16, 64, 1] as const;

interface Tree extends Target {
  readonly samples: Map<number, Sample[]>;
}

/** Refreshes of this tree beside those of another commit, in turn on the same PostgreSQL. */
export async function against(setting: Setting, ref: string): Promise<Section> {
  const commit = git('rev-parse', '--verify', '--short', `${ref}^{commit}`);
  const folder = join(setting.postgres.folder, 'against');
  git('worktree', 'add', '--detach', '--quiet', folder, commit);
  try {
    await build(setting, folder, commit);
    return { ...(await compare(setting, folder, commit)), command: `npm run bench -- --against ${ref}` };
  } finally {
    // By force, since what was built there is not committed.
    git('worktree', 'remove', '--force', folder);
  }
}

const git = (...args: string[]): string => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();

async function build({ tell }: Setting, folder: string, commit: string): Promise<void> {
  const lockOf = (root: string) => readFileSync(join(root, 'package-lock.json'), 'utf8');
  if (lockOf(folder) === lockOf(ROOT)) symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  else {
    tell(`installing the packages of ${commit}`);
    await runNpm(folder, 'ci', '--include=dev');
  }
  tell(`building ${commit}`);
  await runNpm(folder, 'run', 'build');
}

async function compare(setting: Setting, folder: string, commit: string): Promise<Omit<Section, 'command'>> {
  const { postgres, rounds, sessions, tell } = setting;
  tell('starting and seeding');
  const start = async (who: string, name: string, root: string): Promise<Tree> => {
    const database = await postgres.create(name);
    // The server migrates when it starts: only its own migrations fit it.
    const server = await startServer(ratchet(postgres.folder, database.url, {}, name, root));
    await seedSessions(database.client, sessions);
    const workload = { kind: 'refresh', root: KEYS.refreshRoot, sessions } as const;
    return { who, server, database, workload, samples: new Map(CLIENTS.map((clients) => [clients, []])) };
  };
  const ours = await start('this tree', 'against_ours', ROOT);
  const theirs = await start(commit, 'against_theirs', folder);
  const trees = [ours, theirs];

  for (const tree of trees) await measure(setting, tree, 16);
  for (const clients of CLIENTS) {
    await inRounds(rounds, trees, async (tree, turn) => {
      tell(`round ${turn + 1} of ${rounds}, ${clients} clients: ${tree.who}`);
      tree.samples.get(clients)?.push(await measure(setting, tree, clients));
    });
  }
  for (const { server } of trees) await server.stop();

  const of = ({ samples }: Tree, clients: number) => samples.get(clients) ?? [];
  const speed = (tree: Tree, clients: number) => throughput(of(tree, clients));
  return {
    name: 'against',
    budget: [],
    tables: [
      {
        title: 'Refreshes',
        columns: [
          'who',
          'clients',
          'refresh/s',
          `÷ ${commit}`,
          'p50 ms',
          'p99 ms',
          'statements',
          'CPU µs',
          'PostgreSQL µs',
        ],
        rows: CLIENTS.flatMap((clients) =>
          trees.map((tree) => [
            tree.who,
            String(clients),
            whole(median(speed(tree, clients))),
            round(ratio(speed(tree, clients), speed(theirs, clients)), 2),
            round(medianOf(of(tree, clients), 'p50'), 2),
            round(medianOf(of(tree, clients), 'p99'), 2),
            round(medianOf(of(tree, clients), 'statements'), 2),
            whole(medianOf(of(tree, clients), 'cpuMicros')),
            whole(medianOf(of(tree, clients), 'postgresMicros')),
          ]),
        ),
      },
      {
        title: 'Refreshes per second in each round',
        columns: ['clients', 'round', 'this tree', commit, '÷'],
        rows: CLIENTS.flatMap((clients) => {
          const others = speed(theirs, clients);
          return speed(ours, clients).map((own, turn) => {
            const other = others[turn] ?? NaN;
            return [String(clients), String(turn + 1), whole(own), whole(other), round(own / other, 2)];
          });
        }),
      },
    ],
  };
}
