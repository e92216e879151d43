import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { migrate } from '../propagation/own-server';
import { freePort } from '../support/free-port';
import { atPort, proxyOf, serverOf } from '../support/network/database-proxy';
import type { TcpProxy } from '../support/network/tcp-proxy';
import { until } from '../support/until';

const DEBIAN = '/usr/lib/postgresql';

/** The programs of the oldest PostgreSQL of Debian's packages: the embedded one has no pg_basebackup. */
const bin = (existsSync(DEBIAN) ? readdirSync(DEBIAN) : [])
  .sort((one, other) => Number(one) - Number(other))
  .map((version) => join(DEBIAN, version, 'bin'))
  .find((folder) => existsSync(join(folder, 'pg_basebackup')));

/** `describe` for what needs a primary and a standby: without PostgreSQL's programs it skips by name, and in CI it fails. */
export function describeWithPair(name: string, specs: () => void): void {
  if (bin === undefined && process.env.CI) {
    it('has a PostgreSQL', () => {
      throw new Error(`${DEBIAN} is empty: apt-get install postgresql`);
    });
  } else if (bin === undefined) {
    process.stderr.write(`SKIPPED: ${name}, because ${DEBIAN} is empty (Debian package postgresql)\n`);
  }
  (bin === undefined ? describe.skip : describe)(name, specs);
}

/** One server, at its own address. */
interface Server {
  readonly url: string;
  /** Its first column, of its first row. */
  ask<T>(sql: string): Promise<T | undefined>;
  promote(): Promise<void>;
  /** As the power fails: neither it nor what it has started does anything any more. */
  kill(): Promise<void>;
}

/** A standby, and the way on which it is sent what the primary commits. */
interface Copy {
  readonly server: Server;
  readonly link: TcpProxy;
}

/** A primary, its streaming standby, and an address that leads to one of them. */
export class Pair {
  private constructor(
    /** For applications: the primary's, until {@link pointTo} or {@link failOver}. */
    readonly url: string,
    public primary: Server,
    private copy: Copy,
    private readonly network: TcpProxy,
    private readonly copyOf: (primary: Server) => Promise<Copy>,
    /** Ends all servers and what leads from one to another, and leaves nothing of them. */
    private readonly removeServers: () => Promise<void>,
  ) {}

  get standby(): Server {
    return this.copy.server;
  }

  /** With the tables of the application. Nothing but time makes the standby wait for the primary, nor this one for it. */
  static async start(): Promise<Pair> {
    const folder = await mkdtemp(join(tmpdir(), `ratchet-pair-${process.pid}-`));
    const password = randomBytes(16).toString('hex');
    const as = await account(folder);
    const run = async (program: string, ...args: string[]): Promise<void> => {
      const [command = '', ...rest] = [...as, join(bin ?? DEBIAN, program), ...args];
      // Not in the caller's folder, which the other account may be unable to enter.
      await promisify(execFile)(command, rest, { cwd: folder, env: { ...process.env, PGPASSWORD: password } });
    };
    const servers: Server[] = [];
    const links: TcpProxy[] = [];
    const removeServers = async (): Promise<void> => {
      for (const link of links) await link.close();
      for (const server of servers) await server.kill();
      await rm(folder, { recursive: true });
    };
    try {
      await writeFile(join(folder, 'password'), password);
      const primaryData = join(folder, 'primary');
      const options = ['--auth=scram-sha-256', `--pwfile=${join(folder, 'password')}`, '--encoding=UTF8'];
      await run(
        'initdb',
        `--pgdata=${primaryData}`,
        '--username=postgres',
        '--no-sync',
        '--locale=C.UTF-8',
        ...options,
      );
      const launch = async (data: string): Promise<Server> => {
        const port = await freePort();
        const settings = [
          `port = ${port}`,
          `listen_addresses = '127.0.0.1'`,
          `unix_socket_directories = '${folder}'`,
          'fsync = off',
          // A link that is cut stays cut, and one that is mended is used at once.
          'wal_receiver_timeout = 0',
          'wal_sender_timeout = 0',
          'wal_retrieve_retry_interval = 100ms',
        ];
        await appendFile(join(data, 'postgresql.conf'), `${settings.join('\n')}\n`);
        await run('pg_ctl', 'start', '--silent', '--wait', `--pgdata=${data}`, `--log=${data}.log`);
        const server = serverAt(atPort(`postgresql://postgres:${password}@127.0.0.1/postgres`, port), data, run);
        servers.push(server);
        return server;
      };
      const primary = await launch(primaryData);
      await migrate(primary.url);
      const copyOf = async (original: Server): Promise<Copy> => {
        const { proxy: link, url } = await proxyOf(original.url);
        links.push(link);
        const data = join(folder, `standby-${servers.length}`);
        const options = ['--checkpoint=fast', '--no-sync', '--write-recovery-conf'];
        await run('pg_basebackup', `--pgdata=${data}`, `--dbname=${url}`, ...options);
        return { server: await launch(data), link };
      };
      const copy = await copyOf(primary);
      const { proxy, url } = await proxyOf(primary.url);
      return new Pair(url, primary, copy, proxy, copyOf, removeServers);
    } catch (error) {
      await removeServers();
      throw error;
    }
  }

  /** Waits until the standby knows all that the primary has committed. */
  async caughtUp(): Promise<void> {
    const end = await this.primary.ask<string>('SELECT pg_current_wal_lsn()');
    await until(async () => (await this.standby.ask(`SELECT pg_last_wal_replay_lsn() >= '${end}'::pg_lsn`)) === true);
  }

  /** What `work` commits, and all that comes after it until {@link resume}, stays on the primary; what was before does not. */
  async lose<T>(work: () => Promise<T>): Promise<T> {
    await this.caughtUp();
    // Not by stopping the process that sends: it could hold a lock of the server.
    this.copy.link.silence();
    return work();
  }

  /** After {@link lose}, for a failover that loses nothing: the standby gets the rest. */
  async resume(): Promise<void> {
    await this.copy.link.restore();
    await this.caughtUp();
  }

  /** Leads the address to one of the servers, and closes the connections to the other one. */
  async pointTo(which: 'primary' | 'standby'): Promise<void> {
    await this.network.restore(serverOf(this[which].url));
  }

  /** The primary dies, and the standby takes its place, without what it was not sent. */
  async failOver(): Promise<void> {
    await this.primary.kill();
    await this.standby.promote();
    await this.pointTo('standby');
  }

  /** After {@link failOver}: the survivor is the primary, and has a standby again. */
  async rebuild(): Promise<void> {
    this.primary = this.standby;
    this.copy = await this.copyOf(this.primary);
  }

  async remove(): Promise<void> {
    await this.network.close();
    await this.removeServers();
  }
}

function serverAt(url: string, data: string, run: (program: string, ...args: string[]) => Promise<void>): Server {
  const pidFile = join(data, 'postmaster.pid');
  return {
    url,
    ask: async <T>(sql: string) => {
      const client = new Client({ connectionString: url });
      await client.connect();
      try {
        const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' });
        return rows[0]?.[0] as T | undefined;
      } finally {
        await client.end();
      }
    },
    promote: () => run('pg_ctl', 'promote', '--silent', '--wait', `--pgdata=${data}`),
    kill: async () => {
      if (!existsSync(pidFile)) return;
      const [pid] = (await readFile(pidFile, 'utf8')).split('\n');
      await rm(pidFile); // what it leaves behind: it is not started again
      process.kill(Number(pid), 'SIGKILL');
    },
  };
}

/** PostgreSQL refuses to run as root; its package makes an account, which gets the folder. */
async function account(folder: string): Promise<string[]> {
  if (process.getuid?.() !== 0) return [];
  await promisify(execFile)('chown', ['postgres:', folder]);
  return ['runuser', '-u', 'postgres', '--'];
}
