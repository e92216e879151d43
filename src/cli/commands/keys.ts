import { randomBytes, randomInt } from 'node:crypto';
import { type Command, Option } from 'commander';
import { type Algorithm, ALGORITHMS, newAccessTokenKey, newRefreshTokenRoot } from '../../new-keys';
import type { Shell } from '../shell';

interface Asked {
  readonly access?: true;
  readonly refresh?: true;
  readonly alg: Algorithm;
}

export function keys(program: Command, shell: Shell): void {
  program
    .command('keys')
    .description('keys for access and refresh tokens')
    .command('generate')
    .description('a new entry for the end of each key ring; needs no configuration')
    .option('--access', 'only the entry of ACCESS_TOKEN_KEYS, without the name')
    .option('--refresh', 'only the entry of REFRESH_TOKEN_KEYS, without the name')
    .addOption(new Option('--alg <algorithm>', 'of the access-token key').choices(ALGORITHMS).default(ALGORITHMS[0]))
    .action(({ access, refresh, alg }: Asked) => {
      const both = access === refresh;
      const made = {
        ...((both || access) && { ACCESS_TOKEN_KEYS: accessKey(alg) }),
        ...((both || refresh) && { REFRESH_TOKEN_KEYS: refreshKey() }),
      };
      const lines = Object.entries(made).map(([name, entry]) => (both ? `${name}=${entry}` : entry));
      shell.print(made, lines.join('\n'));
    });
}

/** The id begins with the day, from which `doctor` computes the key's age. */
const accessKey = (algorithm: Algorithm): string =>
  `${new Date().toISOString().slice(0, 10)}-${randomBytes(2).toString('hex')}:${newAccessTokenKey(algorithm)}`;

/** Any id of the 256: one that the ring has already is refused at the start. */
const refreshKey = (): string => `${randomInt(256)}:${newRefreshTokenRoot()}`;
