import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { minifySync } from '@swc/core';

// Builds nest-ratchet/client and nest-ratchet/browser into dist, or into the folder given: checked by tsc, then minified.

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = argv[2] ?? join(root, 'dist');
const tsc = join(root, 'node_modules/typescript/bin/tsc');
execFileSync(execPath, [tsc, '-p', join(root, 'src/browser'), '--outDir', folder], { stdio: 'inherit' });

for (const part of ['client', 'browser']) {
  for (const name of readdirSync(join(folder, part)).filter((name) => name.endsWith('.mjs'))) {
    const file = join(folder, part, name);
    writeFileSync(file, minifySync(readFileSync(file, 'utf8'), { module: true, mangle: true, compress: true }).code);
  }
}
