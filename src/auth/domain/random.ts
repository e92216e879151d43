import { randomFillSync } from 'node:crypto';

const DRAWN = 4096;
const drawn = Buffer.alloc(DRAWN);
let given = DRAWN;

/** `count` bytes, at most 4096, of the CSPRNG, which is asked for many at a time: a few cost it as much as thousands. */
export function randomBytesInBulk(count: number): Buffer {
  if (given + count > DRAWN) {
    randomFillSync(drawn);
    given = 0;
  }
  return Buffer.from(drawn.subarray(given, (given += count)));
}
