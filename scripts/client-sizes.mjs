import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

// Prints what nest-ratchet/client and nest-ratchet/browser weigh on the wire, of dist or of the folder given. Each file is
// compressed by itself, as it is served without a bundler. Fails beyond the limit.

const LIMIT = 3072;
const folder = argv[2] ?? fileURLToPath(new URL('../dist', import.meta.url));

const bytesOf = (part) =>
  readdirSync(join(folder, part))
    .filter((name) => name.endsWith('.mjs'))
    .reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, part, name)), { level: 9 }).length, 0);

const client = bytesOf('client');
const sizes = { client, browser: client + bytesOf('browser') };
for (const [name, bytes] of Object.entries(sizes)) {
  console.log(`nest-ratchet/${name.padEnd(8)} ${bytes} of ${LIMIT} bytes, minified and gzipped`);
}
exit(Object.values(sizes).every((bytes) => bytes <= LIMIT) ? 0 : 1);
