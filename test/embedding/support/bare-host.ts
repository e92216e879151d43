import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hostFolder, ROOT, run } from './host';

/** Which alternative of each peer's range a host takes, `^11.1.0 || ^12.0.1`: the older or the newer; and its lowest version or its newest. */
export interface Choice {
  readonly nest: 11 | 12;
  readonly typeorm: '0.3' | '1';
  readonly versions: 'lowest' | 'newest';
}

/** What `npm install` is given for `names`, by the peer ranges of package.json, so that what they promise is what runs. */
export async function peers(names: readonly string[], { nest, typeorm, versions }: Choice): Promise<string[]> {
  const { peerDependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    peerDependencies: Record<string, string>;
  };
  return names.map((name) => {
    // @nestjs/testing is no peer, and numbered like the core.
    const alternatives = (peerDependencies[name] ?? peerDependencies['@nestjs/core']!).split(' || ');
    // redis goes with TypeORM, of which it is an optional peer as well: before 1.1 that accepts no 6.
    const older = name === 'redis' || (name === 'typeorm' ? typeorm === '0.3' : nest === 11);
    const range = older ? alternatives[0]! : alternatives.at(-1)!;
    return `'${name}@${versions === 'lowest' ? range.replace('^', '') : range}'`;
  });
}

/** The TypeScript files of docs/embedding.md, by path, without those that it shows of `examples`. */
export async function documentedFiles(): Promise<[path: string, code: string][]> {
  const text = await readFile(join(ROOT, 'docs/embedding.md'), 'utf8');
  return [...text.matchAll(/^```ts\n\/\/ (src\/\S+)\n([^]*?)^```$/gm)].map(([, path = '', code = '']) => [path, code]);
}

export async function write(folder: string, files: readonly (readonly [path: string, content: string])[]) {
  for (const [path, content] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

/** The packages in the lock of a folder: their paths, with their versions. */
export async function locked(folder: string): Promise<Map<string, string>> {
  const lock = JSON.parse(await readFile(join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string }>;
  };
  return new Map(Object.entries(lock.packages).map(([path, { version }]) => [path, version]));
}

/** Whether package.json and the lock, alone in a new folder, agree. */
export async function demandCleanInstall(folder: string): Promise<void> {
  const copy = await hostFolder();
  await run(`cp ${folder}/package.json ${folder}/package-lock.json . && npm ci --dry-run`, copy);
  await rm(copy, { recursive: true });
}
