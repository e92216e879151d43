import { execFile, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { administer, urlOf } from '../../support/database/test-database';

export const ROOT = resolve(__dirname, '../../..');

/** A folder for one host. Outside of the repository, so that nothing is found in its `node_modules`. */
export const hostFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'ratchet-host-'));

/** The environment without what `npm run` adds to it for the repository's own folder. */
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(npm_(package|lifecycle|config_local_prefix)|INIT_CWD)/.test(name),
    ),
  );

/** Runs a shell command to its end; its output is in the error when it fails. */
export async function run(command: string, folder: string): Promise<string> {
  const { stdout } = await promisify(execFile)('bash', ['-ec', command], {
    cwd: folder,
    env: environment(),
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: unknown) => {
    const { message, stdout, stderr } = error as { message: string; stdout: string; stderr: string };
    throw new Error(`${message}\n${stdout}\n${stderr}`);
  });
  return stdout;
}

/** The package as it would be published, of the present build; its path. */
export async function packed(folder: string): Promise<string> {
  const [{ filename }] = JSON.parse(await run(`npm pack --json --pack-destination ${folder}`, ROOT)) as [
    { filename: string },
  ];
  return join(folder, filename);
}

/** How long an installation from the registry may take. */
export const INSTALLATION_MS = 600_000;

/** A copy of a folder of `examples`, installed with the package as it would be published, and built. */
export async function installedExample(name: string): Promise<{ readonly folder: string; readonly tarball: string }> {
  const folder = await hostFolder();
  await cp(join(ROOT, 'examples', name), folder, {
    recursive: true,
    filter: (path) => !/\/(node_modules|dist)$/.test(path),
  });
  const tarball = await packed(folder);
  const manifest = join(folder, 'package.json');
  const text = await readFile(manifest, 'utf8');
  await writeFile(manifest, text.replace(/file:[^"]+\.tgz/, `file:${tarball}`));
  await run('npm install --no-audit --no-fund', folder);
  await run('npm run build', folder);
  return { folder, tarball };
}

export interface HostDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

/** An empty database: a host runs its own migrations. */
export async function hostDatabase(): Promise<HostDatabase> {
  const name = `host_${randomUUID()}`;
  await administer(`CREATE DATABASE "${name}"`);
  return { url: urlOf(name), drop: () => administer(`DROP DATABASE "${name}" WITH (FORCE)`) };
}

const key = () => randomBytes(32).toString('base64');

/** Starts a built host on a free port. */
export async function startHost(folder: string, database: HostDatabase, env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, ['dist/main.js'], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      DATABASE_URL: database.url,
      ACCESS_TOKEN_KEY: key(),
      REFRESH_TOKEN_KEY: key(),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const exited = once(child, 'close').then(() => true);

  let url: string | undefined;
  while ((url = /Listening at (\S+)/.exec(output)?.[1]) === undefined) {
    const over = await Promise.race([once(child.stdout, 'data').then(() => false), exited]);
    if (over) throw new Error(`The host ended before it listened:\n${output}`);
  }
  return {
    url,
    /** Everything that it has printed so far. */
    printed: () => output,
    /** Asks it to end, and waits until it has. */
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

export type Host = Awaited<ReturnType<typeof startHost>>;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: ReturnType<typeof JSON.parse>;
}

/** One request; a body that is a text goes as it is, any other as JSON. */
export async function ask(method: string, url: string, body?: unknown, token?: string): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(body !== undefined && typeof body !== 'string' && { 'Content-Type': 'application/json' }),
      ...(typeof body === 'string' && { 'Content-Type': 'application/x-www-form-urlencoded' }),
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /[/+]json/.test(response.headers.get('Content-Type') ?? '');
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}
