import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { minifySync } from '@swc/core';

// Builds nest-ratchet/browser into dist/browser, or into the folder given: checked by tsc, then minified.

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = argv[2] ?? join(root, 'dist/browser');
const tsc = join(root, 'node_modules/typescript/bin/tsc');
execFileSync(execPath, [tsc, '-p', join(root, 'src/browser'), '--outDir', folder], { stdio: 'inherit' });

const file = join(folder, 'index.mjs');
writeFileSync(file, minifySync(readFileSync(file, 'utf8'), { module: true, mangle: true, compress: true }).code);
