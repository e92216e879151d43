import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres';
import { asPostgresUser, fromCopy, inUserNamespace } from '../../src/database/server-identity';
import { until } from '../support/until';

let folder: string;
let dataDir: string;
const running = () => existsSync(join(dataDir, 'postmaster.pid'));
const start = () => startEmbeddedPostgres({ dataDir });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ratchet-spec-'));
  dataDir = join(folder, 'pg');
});

afterEach(async () => {
  // A test that failed may have left its server running.
  if (running()) await (await start()).stop();
  await rm(folder, { recursive: true });
});

async function query(url: string, text: string): Promise<unknown[][]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

async function postmasterOf(url: string): Promise<number> {
  const [[text]] = (await query(url, "SELECT pg_read_file('postmaster.pid')")) as [[string]];
  return Number.parseInt(text);
}

/** Only one is left that the server knows of: it takes a moment to see that a killed process has gone. */
const oneIsLeft = (url: string) =>
  until(async () => {
    const [[presences]] = (await query(url, "SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory'")) as [
      [number],
    ];
    return presences === 1;
  });

/** Another process, leader of a group of its own as under a shell, that has started the server. */
async function otherProcess(): Promise<{ url: string; child: ChildProcess }> {
  const code = `require('./src/database/embedded-postgres').startEmbeddedPostgres({ dataDir: process.argv[1] })
    .then(({ url }) => process.stdout.write(url))`;
  const child = spawn(process.execPath, ['-r', '@swc-node/register', '-e', code, dataDir], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [url] = (await once(child.stdout, 'data')) as [Buffer];
  return { url: url.toString(), child };
}

test('a second start keeps the data', async () => {
  const first = await start();
  await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  await first.stop();
  expect(running()).toBe(false);

  const second = await start();
  expect(await query(second.url, 'SELECT answer FROM kept')).toEqual([[42]]);
  await second.stop();
});

test('the server has no port, and its socket lies in a folder for one account that goes with it', async () => {
  const server = await start();
  const socketDirectory = new URL(server.url).searchParams.get('host')!;
  expect(await query(server.url, 'SHOW listen_addresses')).toEqual([['']]);
  expect((await stat(socketDirectory)).mode & 0o777).toBe(0o700);
  expect(await query(server.url, 'SELECT inet_server_port()')).toEqual([[null]]);

  await server.stop();
  expect(existsSync(socketDirectory)).toBe(false);
});

test.each(['SIGKILL', 'SIGINT'] as const)(
  'the server outlives a process group that is ended by %s, and is entered by the next start',
  async (signal) => {
    const { url, child } = await otherProcess();
    await query(url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    process.kill(-child.pid!, signal);
    await once(child, 'exit');

    const server = await start();
    expect(server.url).toBe(url);
    expect(await query(url, 'SELECT answer FROM kept')).toEqual([[42]]);
    await oneIsLeft(url);
    await server.stop();
    expect(running()).toBe(false);
  },
);

test('a start beside a running process enters its server, which the last one to leave stops', async () => {
  const { url, child } = await otherProcess();
  const server = await start();
  expect(server.url).toBe(url);

  await server.stop();
  expect(await query(url, 'SELECT 1')).toEqual([[1]]);

  child.kill('SIGKILL');
  await once(child, 'exit');
  const next = await start();
  await oneIsLeft(url);
  await next.stop();
  expect(running()).toBe(false);
});

test('starts at the same moment on a new folder share one server, and leave nothing else behind', async () => {
  const servers = await Promise.all([start(), start(), start()]);
  expect(new Set(servers.map(({ url }) => url)).size).toBe(1);

  await Promise.all(servers.map((server) => server.stop()));
  expect(running()).toBe(false);
  expect(await readdir(folder)).toEqual(['pg', 'pg.log']);
});

test('a start waits while the server is stopping, however long that takes', async () => {
  const first = await start();
  await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
  // A smart shutdown: it waits for the last connection, which is the one that `first` holds.
  process.kill(await postmasterOf(first.url), 'SIGTERM');
  const second = start();
  // Long enough for a start that does not wait to have failed on the lock file; waiting itself has no event.
  await delay(500);
  await first.stop();

  const server = await second;
  expect(await query(server.url, 'SELECT answer FROM kept')).toEqual([[42]]);
  await server.stop();
});

test('a server that has crashed needs no stopping', async () => {
  const server = await start();
  await query(server.url, 'SELECT 1');
  process.kill(await postmasterOf(server.url), 'SIGKILL');
  await server.stop();
});

test('production is refused', async () => {
  const environment = process.env.NODE_ENV;
  process.env.NODE_ENV = 'production';
  try {
    await expect(start()).rejects.toThrow('DATABASE_URL');
  } finally {
    process.env.NODE_ENV = environment;
  }
  expect(await readdir(folder)).toEqual([]);
});

test('where the server cannot run, the error names DATABASE_URL', async () => {
  await expect(startEmbeddedPostgres({ dataDir, strategies: [] })).rejects.toThrow('DATABASE_URL');
  const noBinaries = async () => ({ native: folder });
  await expect(startEmbeddedPostgres({ dataDir, strategies: [noBinaries] })).rejects.toThrow('DATABASE_URL');
});

test('a server that does not come up says why', async () => {
  await expect(startEmbeddedPostgres({ dataDir, settings: { max_connections: 'many' } })).rejects.toThrow(
    'invalid value for parameter "max_connections"',
  );
});

const isRoot = process.getuid?.() === 0;
const has = (file: string, ...args: string[]) => spawnSync(file, args).status === 0;

for (const [way, strategy, possible] of [
  ['as the postgres user', asPostgresUser, isRoot && has('id', 'postgres')],
  ['in a user namespace', inUserNamespace, isRoot && has('unshare', '--user', 'true')],
  ['from a copy of the binaries', fromCopy, isRoot],
] as const) {
  (possible ? test : test.skip)(
    `root runs the server ${way}, on data that may have been made in another way`,
    async () => {
      await (await start()).stop();
      // The account of the server cannot walk down to the data.
      expect((await stat(folder)).mode & 0o777).toBe(0o700);

      const server = await startEmbeddedPostgres({ dataDir, strategies: [strategy] });
      expect(await query(server.url, 'SELECT 1')).toEqual([[1]]);
      await server.stop();
    },
  );
}
