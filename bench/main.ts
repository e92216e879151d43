import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { against } from './against';
import { core } from './core';
import { crowd } from './crowd';
import { endurance } from './endurance';
import { growth } from './growth';
import { partitions } from './partitions';
import { peers } from './peers';
import { processes } from './processes';
import { asMarkdown, asText, type Section, verdict } from './report';
import { services } from './services';
import type { Setting } from './setting';
import { steps } from './steps';
import { startLoad } from './support/load';
import { startPostgres } from './support/postgres';
import { endProcesses } from './support/server-process';
import { trail } from './trail';

const USAGE = `npm run bench -- [parts] [options]

Parts; without one the core: refreshes, junk, the guard, starts.
  --growth [10k,1m,10m]   refreshes with that many sessions
  --processes [1,2]       refreshes by that many processes
  --endurance [1m]        that many refreshes of 10,000 sessions
  --trail [1m]            pages of an audit trail with that many rows, and the bytes that a refresh adds
  --crowd [300k]          the end of all sessions of a user who has that many
  --services [200]        from that many revocations of each kind to the refusal by 20 services
  --partitions            refreshes while partitions of the audit trail are created and dropped
  --steps                 the product without one step of its tuning each
  --peers                 oidc-provider and better-auth, from npm
  --all                   the core and all of these
  --against REF           refreshes beside those of another commit, which it builds in a temporary git worktree

Options
  --database-url URL      a server on which it may create databases; otherwise an embedded PostgreSQL with fsync on
  --rounds N              how often everything is measured, in turn (5)
  --seconds N             how long each measurement takes (4)
  --sessions N            how many sessions there are (10k)
  --short                 one round of one second, and small numbers, to see that it works; its figures mean nothing
  --json | --markdown     instead of plain tables
  --write                 puts the tables into docs/performance.md
`;

const ROOT = join(__dirname, '..');

/** The values of options that may stand alone. */
const ALONE = {
  growth: '10k,1m,10m',
  processes: '1,2',
  endurance: '1m',
  trail: '1m',
  crowd: '300k',
  services: '200',
} as const;
const SHORT = {
  growth: '10k,20k',
  processes: '1,2',
  endurance: '2k',
  trail: '20k',
  crowd: '2k',
  services: '3',
} as const;

async function run(): Promise<void> {
  const { values } = parseArgs({
    args: process.argv.slice(2).flatMap((arg, at, all) => {
      const alone = (ALONE as Record<string, string>)[arg.replace(/^--/, '')];
      return alone !== undefined && (all[at + 1] ?? '--').startsWith('--') ? [arg, alone] : [arg];
    }),
    options: {
      growth: { type: 'string' },
      processes: { type: 'string' },
      endurance: { type: 'string' },
      trail: { type: 'string' },
      crowd: { type: 'string' },
      services: { type: 'string' },
      partitions: { type: 'boolean', default: false },
      steps: { type: 'boolean', default: false },
      peers: { type: 'boolean', default: false },
      all: { type: 'boolean', default: false },
      against: { type: 'string' },
      'database-url': { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      sessions: { type: 'string' },
      short: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (values.write && values.against !== undefined) throw new Error('docs/performance.md has no place for --against');
  const parts = partsOf(values);
  const postgres = await startPostgres(values['database-url']);
  const load = startLoad();
  // What is being measured then fails, and the run ends as after any failure.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, endProcesses);
  const sections: Section[] = [];
  try {
    const setting: Setting = {
      postgres,
      load,
      rounds: Number(values.rounds ?? (values.short ? 1 : 5)),
      seconds: Number(values.seconds ?? (values.short ? 1 : 4)),
      sessions: countOf(values.sessions ?? '10k'),
      tell: (what) => process.stderr.write(`  ${what}\n`),
    };
    const machine = [
      `${cpus().length} cores (${cpus()[0]?.model.trim()}) for the server, PostgreSQL and the load generator together`,
      `Node ${process.versions.node}, ${postgres.version}`,
      `${setting.rounds} rounds of ${setting.seconds} s`,
    ].join('; ');
    const given = (['database-url', 'rounds', 'seconds', 'sessions'] as const)
      .filter((name) => values[name] !== undefined)
      .map((name) => ` --${name} ${name === 'database-url' ? 'URL' : values[name]}`)
      .join('');
    for (const part of parts) {
      const { command, ...found } = await part(setting);
      const section = { ...found, command: command + (given !== '' && !command.includes(' -- ') ? ' --' : '') + given };
      sections.push(section);
      if (values.markdown) process.stdout.write(`${asMarkdown(section, machine)}\n`);
      else if (!values.json) process.stdout.write(`${asText(section, machine)}\n`);
      if (values.write) writeInto(join(ROOT, 'docs', 'performance.md'), section, machine);
    }
    if (values.json) {
      const judged = sections.map((section) => ({
        ...section,
        budget: section.budget.map((line) => ({ ...line, holds: verdict(line) })),
      }));
      process.stdout.write(`${JSON.stringify({ machine, sections: judged }, null, 2)}\n`);
    }
  } finally {
    endProcesses();
    await load.stop();
    await postgres.stop();
  }
}

type Part = (setting: Setting) => Promise<Section>;

interface PartOptions {
  readonly growth?: string | undefined;
  readonly processes?: string | undefined;
  readonly endurance?: string | undefined;
  readonly trail?: string | undefined;
  readonly crowd?: string | undefined;
  readonly services?: string | undefined;
  readonly partitions: boolean;
  readonly steps: boolean;
  readonly peers: boolean;
  readonly all: boolean;
  readonly against?: string | undefined;
  readonly short: boolean;
}

/** What was asked for, the core when nothing was. */
function partsOf({ all, short, ...asked }: PartOptions): Part[] {
  const value = (name: keyof typeof ALONE) => asked[name] ?? (all ? (short ? SHORT : ALONE)[name] : undefined);
  const counts = (written: string) => written.split(',').map(countOf);
  const parts: Part[] = [];
  const [sizes, processCounts, refreshes] = [value('growth'), value('processes'), value('endurance')];
  const crowdOf = value('crowd');
  if (sizes !== undefined) parts.push((setting) => growth(setting, counts(sizes)));
  if (processCounts !== undefined) parts.push((setting) => processes(setting, counts(processCounts)));
  if (refreshes !== undefined) parts.push((setting) => endurance(setting, countOf(refreshes)));
  const rows = value('trail');
  if (rows !== undefined) parts.push((setting) => trail(setting, countOf(rows)));
  if (crowdOf !== undefined) parts.push((setting) => crowd(setting, countOf(crowdOf)));
  const revocations = value('services');
  if (revocations !== undefined) parts.push((setting) => services(setting, countOf(revocations)));
  if (asked.partitions || all) parts.push(partitions);
  if (asked.steps || all) parts.push(steps);
  if (asked.peers || all) parts.push(peers);
  const { against: ref } = asked;
  if (ref !== undefined) parts.push((setting) => against(setting, ref));
  return all || parts.length === 0 ? [core, ...parts] : parts;
}

/** `10k`, `1m` or a plain number. */
function countOf(written: string): number {
  const [, digits, unit = ''] = /^(\d+)([km]?)$/.exec(written) ?? [];
  if (digits === undefined) throw new Error(`${written} is no count such as 500, 10k or 1m`);
  return Number(digits) * ({ k: 1000, m: 1_000_000 }[unit] ?? 1);
}

/** Between the marks of its section, so that the prose around it stays. */
function writeInto(file: string, section: Section, machine: string): void {
  const [start, end] = [`<!-- bench:${section.name} -->`, `<!-- /bench:${section.name} -->`];
  const [before, rest = ''] = readFileSync(file, 'utf8').split(start);
  const [, after] = rest.split(end);
  if (before === undefined || after === undefined) throw new Error(`${file} has no place for ${section.name}`);
  writeFileSync(file, `${before}${start}\n\n${asMarkdown(section, machine)}\n${end}${after}`);
}

run().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
});
