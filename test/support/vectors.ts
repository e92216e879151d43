import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const FOLDER = join('shared', 'vectors', 'wycheproof');

/** Beside the repository, or above it; the vectors are not ours, and stay where they are. */
function found(folder = resolve(__dirname, '../..')): string | undefined {
  const above = dirname(folder);
  if (above === folder) return undefined;
  return existsSync(join(above, FOLDER)) ? join(above, FOLDER) : found(above);
}

const vectors = found();

/** `describe` for what reads Wycheproof's vectors, which are no part of the repository: without them it skips by name. */
export function describeWithVectors(name: string, specs: () => void): void {
  if (vectors !== undefined) {
    describe(name, specs);
  } else {
    process.stderr.write(`SKIPPED: ${name}, because ../${FOLDER} is missing (C2SP/wycheproof)\n`);
    describe.skip(name, () => it.todo('has its vectors'));
  }
}

export interface VectorGroup<Key> {
  readonly comment: string;
  readonly private?: Key;
  readonly public?: Key;
  readonly tests: readonly {
    readonly tcId: number;
    readonly comment: string;
    readonly jws: string;
    readonly result: 'valid' | 'invalid' | 'acceptable';
  }[];
}

/** Called within {@link describeWithVectors}. */
export const vectorsOf = <Key>(file: string): readonly VectorGroup<Key>[] =>
  (JSON.parse(readFileSync(join(vectors ?? '', file), 'utf8')) as { testGroups: VectorGroup<Key>[] }).testGroups;
