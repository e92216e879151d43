import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');

/** Has tests that wait side by side, which Jest begins with those of the whole file. */
const ALONE = join('test', 'services', 'verifier.spec.ts');

/**
 * Every `parts`-th spec in one file of Jest's, which loads the application once for all of them: on its own, each spec would
 * load it, and warm it up, again. `SPECS`, a regular expression, chooses among their paths.
 */
export function together(part: number, parts: number): void {
  const wanted = new RegExp(process.env.SPECS ?? '');
  const specs = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .map((path) => join('test', path))
    .filter((path) => path.endsWith('.spec.ts') && path !== ALONE && wanted.test(path))
    .sort()
    .filter((_, place) => place % parts === part - 1);
  if (specs.length === 0) throw new Error(`SPECS leaves nothing for part ${part} of ${parts}`);
  for (const spec of specs) describe(spec, () => void require(join(ROOT, spec)));
}
