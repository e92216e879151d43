import { mkdtemp, readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../../src/database/embedded-postgres';

const FOLDER = 'ratchet-test-';

/** A server in memory, where there is room, which would lose its data in a crash. */
export async function startTestServer(): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> {
  const parent = await roomInMemory();
  for (const swept of new Set([parent, tmpdir()])) await sweep(swept);
  const folder = await mkdtemp(join(parent, `${FOLDER}${process.pid}-`));
  const server = await startEmbeddedPostgres({
    dataDir: join(folder, 'pg'),
    settings: { fsync: 'off', full_page_writes: 'off' },
  });
  return {
    url: server.url,
    stop: async () => {
      await server.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** A database is 340 files, which a disk makes ten times as slowly. A container's 64 MB would not do. */
export async function roomInMemory(): Promise<string> {
  const memory = await statfs('/dev/shm').catch(() => ({ bavail: 0, bsize: 0 }));
  return memory.bavail * memory.bsize > 2 ** 31 ? '/dev/shm' : tmpdir();
}

/** A run that was killed has left its server behind. */
async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const run = name.startsWith(FOLDER) && Number.parseInt(name.slice(FOLDER.length));
    if (!run || isAlive(run)) continue;
    const folder = join(parent, name);
    try {
      await (await startEmbeddedPostgres({ dataDir: join(folder, 'pg') })).stop();
      await rm(folder, { recursive: true });
    } catch {
      // Another user's, or another run is sweeping, too.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
