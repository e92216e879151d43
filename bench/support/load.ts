import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Job, JobResult } from './jobs';

export interface Load {
  /** @throws Error when an answer was not the expected one: a figure of failures is no figure */
  run(job: Job): Promise<JobResult>;
  stop(): Promise<void>;
}

/** Starts the load generator. */
export function startLoad(): Load {
  const child = fork(join(__dirname, 'load-generator.ts'), { execArgv: ['-r', '@swc-node/register'] });
  const exited = once(child, 'exit');
  const died = exited.then(() => ({ result: undefined, error: 'The load generator ended' }));
  let nextId = 0;
  const waiting = new Map<number, (message: { result?: JobResult; error?: string }) => void>();
  child.on('message', (message: { id: number; result?: JobResult; error?: string }) => {
    waiting.get(message.id)?.(message);
    waiting.delete(message.id);
  });
  return {
    run: async (job) => {
      const id = nextId++;
      const answered = new Promise<{ result?: JobResult; error?: string }>((resolve) => waiting.set(id, resolve));
      child.send({ id, job });
      const { result, error } = await Promise.race([answered, died]);
      if (result === undefined) throw new Error(`${job.target}: ${error}`);
      if (result.failed > 0) {
        throw new Error(`${job.target}: ${result.failed} unexpected answers: ${JSON.stringify(result.failures)}`);
      }
      return result;
    },
    stop: async () => {
      // Ctrl-C reaches it from the terminal, too, and ends it first.
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
