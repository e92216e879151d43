import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** The helper as it ships, built from the source of this moment. */
export function buildBrowserHelper(): { script: string; types: string } {
  const folder = mkdtempSync(join(tmpdir(), 'ratchet-browser-'));
  try {
    execFileSync(process.execPath, [resolve(__dirname, '../../scripts/build-browser.mjs'), folder], {
      stdio: 'inherit',
    });
    const read = (name: string) => readFileSync(join(folder, name), 'utf8');
    return { script: read('index.mjs'), types: read('index.d.mts') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
