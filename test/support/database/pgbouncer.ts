import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { describeWith } from '../describe-with';
import { freePort } from '../free-port';
import { atPort, proxyOf } from '../network/database-proxy';
import { until } from '../until';

const PGBOUNCER = '/usr/sbin/pgbouncer';
/** As docs/operations.md says. */
const IGNORED = 'statement_timeout,idle_in_transaction_session_timeout,options';
/** PgBouncer refuses to run as root. */
const NOBODY = 65_534;

export const describeWithPgBouncer = describeWith(PGBOUNCER, 'pgbouncer');

export interface PgBouncer {
  readonly port: number;
  /** The address of a database behind it. */
  urlOf(databaseUrl: string): string;
  readonly stop: () => Promise<void>;
}

/** Between its clients and the server of `serverUrl`, for every database of it. */
export async function startPgBouncer(
  serverUrl: string,
  { mode = 'transaction', ignored = IGNORED }: { mode?: 'transaction' | 'session'; ignored?: string } = {},
): Promise<PgBouncer> {
  // Over TCP: the embedded server's socket is in a folder that PgBouncer's account may not enter.
  const { proxy, url } = await proxyOf(serverUrl);
  const { username, password } = new URL(url);
  const folder = await mkdtemp(join(tmpdir(), 'ratchet-pgbouncer-'));
  const port = await freePort();
  const server = `host=127.0.0.1 port=${proxy.port} user=${username} ${password === '' ? '' : `password=${decodeURIComponent(password)}`}`;
  const config = join(folder, 'pgbouncer.ini');
  await writeFile(
    config,
    [
      `[databases]\n* = ${server}`,
      `[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =\nauth_type = any`,
      `pool_mode = ${mode}\ndefault_pool_size = 10\nserver_idle_timeout = 2`,
      ...(ignored === '' ? [] : [`ignore_startup_parameters = ${ignored}`]),
      '',
    ].join('\n'),
  );
  await chmod(folder, 0o755);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) await chown(config, NOBODY, NOBODY);
  const child = spawn(PGBOUNCER, ['--quiet', ...(isRoot ? ['--user', 'nobody'] : []), config], { stdio: 'ignore' });
  const exited = once(child, 'close');
  // Its own database, which it answers without the server.
  await until(() => connects(`postgresql://pgbouncer@127.0.0.1:${port}/pgbouncer`, child));
  return {
    port,
    urlOf: (databaseUrl) => atPort(databaseUrl, port),
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
      await proxy.close();
      await rm(folder, { recursive: true });
    },
  };
}

async function connects(url: string, child: { exitCode: number | null }): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`pgbouncer ended with ${child.exitCode}`);
  const client = new Client({ connectionString: url });
  return client.connect().then(
    () => client.end().then(() => true),
    (error: unknown) => (error as { code?: string }).code !== 'ECONNREFUSED',
  );
}
