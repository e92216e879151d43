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
  const [cpu, statements] = [server.cpu(), await database.statements()];
  const result = await load.run({ target: database.name, urls: [server.url], workload, clients, seconds });
  return {
    ...result,
    statements: ((await database.statements()) - statements) / result.requests,
    cpuMicros: ((server.cpu() - cpu) / result.requests) * 1e6,
  };
}
