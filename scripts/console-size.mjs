import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

// Prints what the console of dist weighs on the wire, each file compressed by itself. Fails beyond the limit.

const LIMIT = 80 * 1024;
const folder = fileURLToPath(new URL('../dist/console/assets', import.meta.url));
const sizes = readdirSync(folder).map((name) => [
  name,
  gzipSync(readFileSync(join(folder, name)), { level: 9 }).length,
]);
for (const [name, bytes] of sizes) console.log(`${name.padEnd(12)} ${String(bytes).padStart(6)} bytes gzipped`);
const total = sizes.reduce((sum, [, bytes]) => sum + bytes, 0);
console.log(`${'in all'.padEnd(12)} ${String(total).padStart(6)} of ${LIMIT} bytes`);
exit(total <= LIMIT ? 0 : 1);
