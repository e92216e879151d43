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

/** What a server needs after it has been idle while others were measured: its pool has closed its connections by then. */
const WARM_UP_SECONDS = 1;

/** Runs the workload once, for the setting's time, after a warm-up that does not count. */
export async function measure({ load, seconds }: Setting, target: Target, clients: number): Promise<Sample> {
  const { server, database, workload } = target;
  const job = { target: database.name, urls: [server.url], workload, clients };
  await load.run({ ...job, seconds: Math.min(WARM_UP_SECONDS, seconds) });
  const [backends, writers, statements] = [
    await database.backends(),
    await database.writers(),
    await database.statements(),
  ];
  const cpu = server.cpu();
  const result = await load.run({ ...job, seconds });
  return {
    ...result,
    statements: ((await database.statements()) - statements) / result.requests,
    cpuMicros: ((server.cpu() - cpu) / result.requests) * 1e6,
    postgresMicros: (used(await database.backends(), backends) / result.requests) * 1e6,
    writersMicros: (used(await database.writers(), writers) / result.requests) * 1e6,
  };
}

/** What the processes have used since; those that are new have used all they show. */
export const used = (now: ReadonlyMap<number, number>, before: ReadonlyMap<number, number>): number =>
  [...now].reduce((sum, [pid, seconds]) => sum + seconds - (before.get(pid) ?? 0), 0);
