import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

// Prints what nest-ratchet/client and nest-ratchet/browser weigh on the wire, of dist or of the folder given. Each file is
// compressed by itself, as it is served without a bundler. Fails beyond the limit, which is not for what bound sessions alone
// load, when they need it.

const LIMIT = 3072;
const folder = argv[2] ?? fileURLToPath(new URL('../dist', import.meta.url));

const LATE = ['proofs.mjs', 'device-key.mjs'];

const weightOf = (...path) => gzipSync(readFileSync(join(folder, ...path)), { level: 9 }).length;
const bytesOf = (part) =>
  readdirSync(join(folder, part))
    .filter((name) => name.endsWith('.mjs') && !LATE.includes(name))
    .reduce((sum, name) => sum + weightOf(part, name), 0);

const client = bytesOf('client');
const sizes = { client, browser: client + bytesOf('browser') };
const late = weightOf('client', 'proofs.mjs') + weightOf('browser', 'device-key.mjs');
for (const [name, bytes] of Object.entries(sizes)) {
  console.log(`nest-ratchet/${name.padEnd(8)} ${bytes} of ${LIMIT} bytes, minified and gzipped`);
}
console.log(`bound sessions also load ${late} bytes`);
exit(Object.values(sizes).every((bytes) => bytes <= LIMIT) ? 0 : 1);
