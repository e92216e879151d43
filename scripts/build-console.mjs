import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

// Builds the console into dist/console/assets, or into the folder given: checked by tsc, then bundled.

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'console');
const folder = argv[2] ?? join(root, 'dist/console/assets');

execFileSync(execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', source], { stdio: 'inherit' });
const events = readFileSync(join(root, 'src/auth/domain/events.ts'), 'utf8');
const types = [...events.matchAll(/static readonly type = '([^']+)'/g)].map(([, type]) => type);

await build({
  entryPoints: [
    { in: join(source, 'main.tsx'), out: 'console' },
    { in: join(source, 'styles.css'), out: 'console' },
  ],
  outdir: folder,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  define: { EVENT_TYPES: JSON.stringify(types) },
  logLevel: 'warning',
});
for (const name of ['index.html', 'icon.svg']) copyFileSync(join(source, name), join(folder, name));
const licences = ['preact', 'uplot'].map((name) => {
  const text = readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8');
  return `${name}\n\n${text.trim()}\n`;
});
writeFileSync(join(folder, 'LICENSES.txt'), licences.join('\n\n'));
