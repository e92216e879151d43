import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import { describeWith } from '../describe-with';
import { freePort } from '../free-port';
import { TcpProxy } from '../network/tcp-proxy';

const REDIS = '/usr/bin/redis-server';

export const describeWithRedis = describeWith(REDIS, 'redis-server');

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/** An empty server of the caller's own, which keeps nothing; `more` are lines of its configuration. */
export const startRedis = (...more: string[]): Promise<RedisServer> =>
  start([], ["save ''", 'appendonly no', ...more], 'Ready to accept connections');

/** One that watches the master at `port`, calls it `main`, and needs another one's word for a failover. */
export const startSentinel = (port: number): Promise<RedisServer> =>
  start(
    ['--sentinel'],
    [
      `sentinel monitor main 127.0.0.1 ${port} 2`,
      'sentinel down-after-milliseconds main 500',
      'sentinel failover-timeout main 3000',
    ],
    '+monitor master main',
  );

async function start(args: string[], lines: string[], ready: string): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'ratchet-redis-'));
  const port = await freePort();
  const config = join(folder, 'redis.conf');
  await writeFile(config, [`port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, ...lines, ''].join('\n'));
  const child = spawn(REDIS, [config, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'close');
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  while (!output.includes(ready)) {
    const ended = await Promise.race([once(child.stdout, 'data').then(() => false), exited.then(() => true)]);
    if (ended) throw new Error(`redis-server did not start:\n${output}`);
  }
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}

export type ProxiedRedis = Awaited<ReturnType<typeof startProxiedRedis>>;

/** A server behind a proxy, at `proxiedUrl`, and a client that goes past it. */
export async function startProxiedRedis() {
  const server = await startRedis();
  const redis = createClient({ url: server.url });
  await redis.connect();
  const proxy = await TcpProxy.start({ host: '127.0.0.1', port: server.port });
  const stop = async (): Promise<void> => {
    await proxy.close();
    redis.destroy();
    await server.stop();
  };
  return { redis, proxy, port: server.port, url: server.url, proxiedUrl: `redis://127.0.0.1:${proxy.port}`, stop };
}
