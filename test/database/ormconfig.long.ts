import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres';
import { SCHEMA, tablesIn } from '../support/database/test-database';

const run = promisify(execFile);

test('the TypeORM command line migrates the embedded database, stops it, and ends', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ratchet-spec-'));
  const env: NodeJS.ProcessEnv = { ...process.env, SWC_NODE_PROJECT: resolve('tsconfig.json') };
  delete env.DATABASE_URL;
  const typeorm = (command: string) => {
    const cli = ['-r', require.resolve('@swc-node/register'), resolve('node_modules/typeorm/cli.js')];
    return run(process.execPath, [...cli, '-d', resolve('ormconfig.ts'), command], { cwd: folder, env });
  };
  try {
    await typeorm('migration:run');
    const { stdout } = await typeorm('migration:show');
    expect(stdout.match(/\[X\]/g)).toHaveLength(tablesIn(SCHEMA).migrations.length);
    expect(existsSync(join(folder, '.data/pg/PG_VERSION'))).toBe(true);
    expect(existsSync(join(folder, '.data/pg/postmaster.pid'))).toBe(false);
  } finally {
    // A command that failed may have left its server running.
    await (await startEmbeddedPostgres({ dataDir: join(folder, '.data/pg') })).stop();
    await rm(folder, { recursive: true });
  }
});
