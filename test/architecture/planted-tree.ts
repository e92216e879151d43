import { cpSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

export const root = resolve(__dirname, '../..');

/** A temporary copy of some of the repository, with its installed packages and further files. Returns its path. */
export function plantedTree(copied: string[], planted: (readonly [file: string, text: string])[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'ratchet-planted-'));
  for (const file of copied) cpSync(join(root, file), join(folder, file), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const [file, text] of planted) {
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  return folder;
}
