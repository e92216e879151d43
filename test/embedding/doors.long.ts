import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { peers, write } from './support/bare-host';
import { hostFolder, INSTALLATION_MS, packed, ROOT, run } from './support/host';

/** What `nest-ratchet` and `nest-ratchet/testing` load when they are imported (`src/peers.ts`). */
const LOADED = [
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/cqrs',
  '@nestjs/jwt',
  '@nestjs/event-emitter',
  'typeorm',
  'pg',
  'class-validator',
  'class-transformer',
  'reflect-metadata',
  'rxjs',
];

describe('the packed package in an empty folder', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await hostFolder();
    await write(folder, [['package.json', '{ "name": "bare", "private": true }']]);
    const beside = await peers(LOADED, { nest: 12, typeorm: '1', versions: 'newest' });
    await run(`npm install --no-audit --no-fund ${await packed(folder)} ${beside.join(' ')}`, folder);
  }, INSTALLATION_MS);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('opens each door to import and to require, and has its command', async () => {
    const { exports, version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
      exports: Record<string, unknown>;
      version: string;
    };
    const doors = Object.keys(exports)
      .filter((door) => door !== './package.json')
      .map((door) => door.replace('.', 'nest-ratchet'));
    expect(doors).toHaveLength(7);
    await write(folder, [
      ['import.mjs', `for (const door of ${JSON.stringify(doors)}) await import(door);`],
      ['require.cjs', `for (const door of ${JSON.stringify(doors)}) require(door);`],
    ]);
    await run(`${process.execPath} import.mjs && ${process.execPath} require.cjs`, folder);
    expect(await run('npx ratchet --version', folder)).toBe(`${version}\n`);
  }, 60_000);
});
