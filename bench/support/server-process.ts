import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../test/support/free-port';

export interface ServerProcess {
  readonly name: string;
  readonly url: string;
  /** From the start of the process to its first 200. */
  readonly startMs: number;
  /** Resident memory in MB. */
  rss(): number;
  /** Processor time used so far, in seconds; NaN where the system does not tell. */
  cpu(): number;
  stop(): Promise<void>;
}

export interface ServerCommand {
  readonly name: string;
  /** Arguments of node. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** A path that is answered with 200 once the server works. */
  readonly ready: string;
  /** Where its output goes. */
  readonly logFolder: string;
}

const TICKS_PER_SECOND = 100;

/** What ends each process that is running. */
const running = new Set<() => void>();
let ended = false;

/** The end of a run that failed or was interrupted: no server and no npm goes on, and none starts any more. */
export function endProcesses(): void {
  ended = true;
  for (const end of running) end();
}

function failIfEnded(): void {
  if (ended) throw new Error('Interrupted');
}

/** Starts a server on a free port, which it is told as PORT, and waits for its first 200. */
export async function startServer({ name, argv, env, ready, logFolder }: ServerCommand): Promise<ServerProcess> {
  failIfEnded();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(logFolder, `${name}.log`);
  const log = await open(logFile, 'w');
  const startedAt = performance.now();
  const child = spawn(process.execPath, argv, {
    cwd: logFolder,
    env: { PATH: process.env.PATH, TZ: 'UTC', ...env, PORT: String(port) },
    stdio: ['ignore', log.fd, log.fd],
  });
  const end = () => child.kill('SIGKILL');
  running.add(end);
  const exited = once(child, 'exit').then(() => running.delete(end));
  await log.close();
  while ((await statusOf(url + ready)) !== 200) {
    if (child.exitCode !== null || child.signalCode !== null || performance.now() - startedAt > 60_000) {
      child.kill('SIGKILL');
      throw new Error(`${name} did not start:\n${(await readFile(logFile, 'utf8')).slice(-2000)}`);
    }
    await delay(4);
  }
  return {
    name,
    url,
    startMs: performance.now() - startedAt,
    rss: () => Number(spawnSync('ps', ['-o', 'rss=', '-p', String(child.pid)], { encoding: 'utf8' }).stdout) / 1024,
    cpu: () => cpuOf(child.pid ?? 0),
    stop: async () => {
      child.kill('SIGTERM');
      const patience = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await exited;
      clearTimeout(patience);
    },
  };
}

/**
 * Runs npm in a folder and waits until it is done.
 *
 * @throws Error with the end of its output when it fails
 */
export async function runNpm(folder: string, ...args: string[]): Promise<void> {
  failIfEnded();
  // A group of its own, which ends as a whole: npm cannot pass a SIGKILL on to what it runs.
  const child = spawn('npm', args, { cwd: folder, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  }
  await once(child, 'spawn');
  const { pid = 0 } = child;
  const end = () => process.kill(-pid, 'SIGKILL');
  running.add(end);
  child.once('exit', () => running.delete(end));
  const [status] = (await once(child, 'close')) as [number | null];
  failIfEnded();
  if (status !== 0) throw new Error(`npm ${args.join(' ')} failed:\n${output.slice(-2000)}`);
}

async function statusOf(url: string): Promise<number | null> {
  try {
    const response = await fetch(url);
    await response.arrayBuffer();
    return response.status;
  } catch {
    return null;
  }
}

/** Processor time that a process has used so far, in seconds; NaN where the system does not tell. */
export function cpuOf(pid: number): number {
  try {
    // The fields behind the command's name, which may hold spaces: state is the first, utime the 12th, stime the 13th.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return NaN;
  }
}
