import { installLine, missingIn, type Package } from './support/packages';

/*
 * What every host installs. All of these are optional peers, so that npm picks no version for a host. This module is loaded
 * before all others, and names whatever is missing in one sentence. Literal names, for the sake of bundlers.
 */
const PEERS: readonly (() => void)[] = [
  () => void require('@nestjs/common'),
  () => void require('@nestjs/core'),
  () => void require('@nestjs/cqrs'),
  () => void require('@nestjs/jwt'),
  () => void require('@nestjs/event-emitter'),
  () => void require('typeorm'),
  () => void require('pg'),
  // Only whether they are there: the routes that need them load them. What is bundled is found by `require` alone.
  () => {
    try {
      require.resolve('class-validator');
    } catch {
      require('class-validator');
    }
  },
  () => {
    try {
      require.resolve('class-transformer');
    } catch {
      require('class-transformer');
    }
  },
];

const absent = new Set<Package>();
for (const load of PEERS) {
  try {
    load();
  } catch (error) {
    const name = missingIn(error);
    if (name === undefined) throw error;
    absent.add(name);
  }
}
if (absent.size > 0) {
  throw new Error(`nest-ratchet needs packages that are not installed: ${installLine([...absent])}`);
}
