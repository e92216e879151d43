import { randomBytes, randomInt } from 'node:crypto';
import type { Command } from 'commander';
import type { Shell } from '../shell';

export function keys(program: Command, shell: Shell): void {
  program
    .command('keys')
    .description('keys for access and refresh tokens')
    .command('generate')
    .description('a new entry for the end of each key ring; needs no configuration')
    .option('--access', 'only the entry of ACCESS_TOKEN_KEYS, without the name')
    .option('--refresh', 'only the entry of REFRESH_TOKEN_KEYS, without the name')
    .action(({ access, refresh }: { access?: true; refresh?: true }) => {
      const both = access === refresh;
      const made = {
        ...((both || access) && { ACCESS_TOKEN_KEYS: accessKey() }),
        ...((both || refresh) && { REFRESH_TOKEN_KEYS: refreshKey() }),
      };
      const lines = Object.entries(made).map(([name, entry]) => (both ? `${name}=${entry}` : entry));
      shell.print(made, lines.join('\n'));
    });
}

/** The id begins with the day, from which `doctor` computes the key's age. */
const accessKey = (): string =>
  `${new Date().toISOString().slice(0, 10)}-${randomBytes(2).toString('hex')}:${randomBytes(32).toString('base64')}`;

/** Any id of the 256: one that the ring has already is refused at the start. */
const refreshKey = (): string => `${randomInt(256)}:${randomBytes(32).toString('base64')}`;
