import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const SCRIPTS = resolve(__dirname, '../../scripts');
const run = (script: string, folder: string): string =>
  execFileSync(process.execPath, [join(SCRIPTS, script), folder], { encoding: 'utf8' });

/** The clients as they ship, built from the source of this moment: files by their paths, and what the sizes command prints. */
export function buildClients() {
  const folder = mkdtempSync(join(tmpdir(), 'ratchet-clients-'));
  try {
    run('build-clients.mjs', folder);
    const read = (...names: string[]) =>
      new Map(names.map((name) => [`/${name}`, readFileSync(join(folder, name), 'utf8')]));
    return {
      scripts: read(
        'client/index.mjs',
        'client/answer.mjs',
        'client/proofs.mjs',
        'browser/device-key.mjs',
        'client/session.mjs',
        'browser/index.mjs',
        'browser/devices.mjs',
      ),
      types: read('client/session.d.mts', 'client/index.d.mts', 'browser/index.d.mts', 'browser/devices.d.mts'),
      sizes: run('client-sizes.mjs', folder),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
