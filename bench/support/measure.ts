import type { Setting } from '../setting';
import type { Sample } from './figures';
import type { Workload } from './jobs';
import type { Database } from './postgres';
import type { ServerProcess } from './server-process';

/** A server under a workload. */
export interface Target {
  readonly who: string;
  readonly server: ServerProcess;
  readonly database: Database;
  readonly workload: Workload;
}

/** Runs the workload once, for the setting's time. */
export async function measure({ load, seconds }: Setting, target: Target, clients: number): Promise<Sample> {
  const { server, database, workload } = target;
  const [cpu, backends, statements] = [server.cpu(), await database.backends(), await database.statements()];
  const result = await load.run({ target: database.name, urls: [server.url], workload, clients, seconds });
  return {
    ...result,
    statements: ((await database.statements()) - statements) / result.requests,
    cpuMicros: ((server.cpu() - cpu) / result.requests) * 1e6,
    postgresMicros: (used(await database.backends(), backends) / result.requests) * 1e6,
  };
}

/** What the backends have used since; those that are new have used all they show. */
const used = (now: ReadonlyMap<number, number>, before: ReadonlyMap<number, number>): number =>
  [...now].reduce((sum, [pid, seconds]) => sum + seconds - (before.get(pid) ?? 0), 0);
