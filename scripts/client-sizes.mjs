import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

// Prints what nest-ratchet/client, nest-ratchet/browser and nest-ratchet/browser/devices weigh on the wire, of dist or of the
// folder given. Each file is compressed by itself, as it is served without a bundler. Fails beyond the limits,
// which are not for what bound sessions alone load, when they need it.

const LIMIT = 3072;
const LIMIT_OF_DEVICES = 6144;
const folder = argv[2] ?? fileURLToPath(new URL('../dist', import.meta.url));

const bytesOf = (file) => gzipSync(readFileSync(join(folder, file)), { level: 9 }).length;

const client = readdirSync(join(folder, 'client'))
  .filter((name) => name.endsWith('.mjs') && name !== 'proofs.mjs')
  .reduce((sum, name) => sum + bytesOf(`client/${name}`), 0);
const sizes = [
  ['client', client, LIMIT],
  ['browser', client + bytesOf('browser/index.mjs'), LIMIT],
  // It is given a session, and imports nothing.
  ['browser/devices', bytesOf('browser/devices.mjs'), LIMIT_OF_DEVICES],
];
for (const [name, bytes, limit] of sizes) {
  console.log(`nest-ratchet/${name.padEnd(15)} ${bytes} of ${limit} bytes, minified and gzipped`);
}
console.log(`bound sessions also load ${bytesOf('client/proofs.mjs') + bytesOf('browser/device-key.mjs')} bytes`);
exit(sizes.every(([, bytes, limit]) => bytes <= limit) ? 0 : 1);
