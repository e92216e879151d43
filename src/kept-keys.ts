import { randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALGORITHMS, newAccessTokenKey, newRefreshTokenRoot } from './new-keys';

/** The rings that development makes, each with its first key. */
const KEPT: Readonly<Record<string, () => string>> = {
  ACCESS_TOKEN_KEYS: () => `dev:${newAccessTokenKey(ALGORITHMS[0])}`,
  REFRESH_TOKEN_KEYS: () => `0:${newRefreshTokenRoot()}`,
};

export const isKept = (name: string): boolean => Object.hasOwn(KEPT, name);

/** The key ring that development keeps in `folder`, made when there is none. Of two first starts one link succeeds. */
export function keptRing(folder: string, name: string): string {
  const path = join(folder, name.toLowerCase());
  if (!existsSync(path)) {
    // The mode is for this folder alone: its parents hold the embedded database, which may run as another user.
    mkdirSync(join(folder, '..'), { recursive: true });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const draft = `${path}.${randomUUID()}`;
    writeFileSync(draft, `${KEPT[name]?.() ?? ''}\n`, { mode: 0o600, flag: 'wx' });
    try {
      linkSync(draft, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft);
    }
  }
  return readFileSync(path, 'utf8').trim();
}
