import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { commandLine, giveTo, serverIdentity, type ServerIdentity, type Strategy } from './server-identity';

/** Where the application and its command lines keep it, from the working folder. */
export const EMBEDDED_DATA = '.data/pg';

export interface EmbeddedPostgresOptions {
  /** Made when it is missing. The server's log is written beside it, with `.log` behind the name. */
  dataDir: string;
  /** Server settings beside our own, such as `{ fsync: 'off' }`; without effect on a server that already runs. */
  settings?: Record<string, string>;
  /** How to find an account that PostgreSQL accepts; every known way when absent. */
  strategies?: Strategy[];
}

export interface EmbeddedPostgres {
  /** Superuser `postgres`, database `postgres`, over a unix socket that nobody else can reach. */
  url: string;
  /** Stops the server and waits for it, unless another process still uses it: the last one to leave stops it. */
  stop(): Promise<void>;
}

interface Postmaster {
  pid: number;
  socketDirectory: string;
  ready: boolean;
}

interface Server extends Postmaster {
  /** Its shared advisory lock says that the server is in use, for exactly as long as this process lives. */
  presence: Client;
}

const PRESENCE = "hashtext('ratchet'), hashtext('presence')";
const PATIENCE_MS = 60_000;

/**
 * Starts the PostgreSQL 18 that npm installs, or joins the one that already runs on this data directory because a crash
 * left it behind or another process uses it. Throws, naming DATABASE_URL, in production and where it cannot run.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  // Asked of the process itself: it must hold for callers that load no configuration, too.
  // eslint-disable-next-line no-restricted-syntax
  if (process.env.NODE_ENV === 'production') {
    throw new Error('The embedded PostgreSQL is for development and tests: production needs DATABASE_URL.');
  }
  const dataDir = resolve(options.dataDir);
  const server = (await enter(dataDir)) ?? (await launch({ ...options, dataDir }));
  return { url: urlOf(server.socketDirectory), stop: () => leave(server, dataDir) };
}

async function launch({ dataDir, settings, strategies }: EmbeddedPostgresOptions): Promise<Server> {
  // A socket's path is limited, and root's own temporary folder may be closed to the account that the server runs as.
  const short = Buffer.byteLength(join(tmpdir(), 'ratchet-123456/.s.PGSQL.5432')) < 104;
  const runtimeDir = await mkdtemp(join(short && process.getuid?.() !== 0 ? tmpdir() : '/tmp', 'ratchet-'));
  let server: Server | undefined;
  try {
    const identity = await serverIdentity(runtimeDir, strategies);
    if (!existsSync(join(dataDir, 'PG_VERSION'))) await initialise(dataDir, identity, settings?.fsync === 'off');
    giveTo(identity, dataDir);
    const child = await spawnServer(dataDir, identity, {
      listen_addresses: '',
      port: '5432',
      unix_socket_directories: `"${runtimeDir}"`,
      log_error_verbosity: 'terse', // The DETAIL of a violated constraint prints the row, digests included.
      ...settings,
    });
    server = await enter(dataDir, child);
    if (server) return server;
    throw new Error(
      `The embedded PostgreSQL did not start:\n${(await readFile(`${dataDir}.log`, 'utf8')).slice(-1000)}`,
    );
  } finally {
    // Another process may have been quicker: then its server was entered.
    if (server?.socketDirectory !== runtimeDir) await rm(runtimeDir, { recursive: true });
  }
}

/** Made aside and then renamed, so that neither a crash nor a second process can leave or see half a data directory. */
async function initialise(dataDir: string, identity: ServerIdentity, mayBeLost: boolean): Promise<void> {
  await mkdir(dirname(dataDir), { recursive: true });
  const fresh = await mkdtemp(`${dataDir}-`);
  try {
    giveTo(identity, fresh);
    const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
    const options = ['--username=postgres', '--auth=trust', ...locale, ...(mayBeLost ? ['--no-sync'] : [])];
    const { status, stderr, error } = spawnSync(...commandLine(identity, 'initdb', options, fresh));
    if (status !== 0) throw new Error(`initdb failed:\n${stderr}`, { cause: error });
    await rename(fresh, dataDir).catch((reason: unknown) => {
      if (!existsSync(join(dataDir, 'PG_VERSION'))) throw reason;
    });
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** In a session of its own, since a terminal's Ctrl-C would stop the server before the application has written its last records. */
async function spawnServer(dataDir: string, identity: ServerIdentity, settings: Record<string, string>) {
  const log = await open(`${dataDir}.log`, 'a');
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const [file, argv, options] = commandLine(identity, 'postgres', args, dataDir);
  const child = spawn(file, argv, { ...options, detached: true, stdio: ['ignore', log.fd, log.fd] });
  await once(child, 'spawn').finally(() => log.close());
  child.unref();
  return child;
}

/** Waits while the server is starting or stopping; undefined when none runs, or when `child` has ended without becoming it. */
async function enter(dataDir: string, child?: ChildProcess): Promise<Server | undefined> {
  const deadline = Date.now() + PATIENCE_MS;
  let problem: unknown;
  while (Date.now() < deadline) {
    const postmaster = await readPostmaster(dataDir);
    let listening = postmaster !== undefined;
    if (postmaster?.ready) {
      const presence = new Client({ connectionString: urlOf(postmaster.socketDirectory) });
      presence.on('error', () => {}); // Emitted when the server goes away: `leave` finds that out by itself.
      try {
        await presence.connect();
        await presence.query(`SELECT pg_advisory_lock_shared(${PRESENCE})`);
        return { ...postmaster, presence };
      } catch (error) {
        problem = error;
        // Nobody at the socket: the file is a dead server's, and its process id is now somebody else's.
        listening = !['ENOENT', 'ECONNREFUSED'].includes((error as NodeJS.ErrnoException).code ?? '');
      }
    }
    if (!listening && (!child || child.exitCode !== null || child.signalCode !== null)) return undefined;
    await delay(20);
  }
  throw new Error(`The embedded PostgreSQL in ${dataDir} is neither ready nor gone`, { cause: problem });
}

async function leave({ pid, socketDirectory, presence }: Server, dataDir: string): Promise<void> {
  const isUp = async () => (await readPostmaster(dataDir))?.pid === pid;
  // A backend may answer for a moment after its server has died.
  if ((await isLast(presence)) && reaches(pid, 'SIGINT')) {
    while (await isUp()) await delay(20);
  }
  if (!(await isUp())) await rm(socketDirectory, { recursive: true, force: true });
  await presence.end();
}

/** While the exclusive lock is held nobody can enter: the shutdown refuses a process that tries, which then starts a new server. */
async function isLast(presence: Client): Promise<boolean> {
  try {
    await presence.query(`SELECT pg_advisory_unlock_shared(${PRESENCE})`);
    const { rows } = await presence.query<{ last: boolean }>(`SELECT pg_try_advisory_lock(${PRESENCE}) AS last`);
    return rows[0]?.last === true;
  } catch {
    return false; // The server is gone already.
  }
}

/** Undefined when there is no such file, when it is half written, or when its process is dead. */
async function readPostmaster(dataDir: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  });
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  return pid > 0 && isAlive(pid)
    ? { pid, socketDirectory: lines[4] ?? '', ready: lines[7]?.trim() === 'ready' }
    : undefined;
}

/** Sends the signal; false when the process is gone. */
function reaches(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function urlOf(socketDirectory: string): string {
  return `postgresql://postgres@localhost:5432/postgres?host=${encodeURIComponent(socketDirectory)}`;
}
