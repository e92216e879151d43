import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

test('docs/cli.md shows what the built commands print', () => {
  const script = [resolve('scripts/cli-transcript.mjs'), '--check'];
  const { status, stderr } = spawnSync(process.execPath, script, { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
}, 120_000);
