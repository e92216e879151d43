import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { argv, exit } from 'node:process';
import { fileURLToPath } from 'node:url';

// Writes the CycloneDX list of what the package depends on to artefacts/sbom.json, or to the file given.
//
// Not `npm sbom --omit dev` here: it leaves out what is a dependency and a development package of something else, too, and it
// names the folder instead of the package. So it reads a lock without development packages, in a folder of the right name.

const root = fileURLToPath(new URL('..', import.meta.url));
const target = resolve(argv[2] ?? join(root, 'artefacts/sbom.json'));
const { name, version, description, license, dependencies } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
);

const temporary = mkdtempSync(join(tmpdir(), 'sbom-'));
const cwd = join(temporary, name);
try {
  mkdirSync(cwd);
  writeFileSync(join(cwd, 'package.json'), JSON.stringify({ name, version, description, license, dependencies }));
  for (const file of ['package-lock.json', '.npmrc']) cpSync(join(root, file), join(cwd, file));
  const npm = (...args) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  npm('install', '--package-lock-only', '--ignore-scripts', '--silent');
  const text = npm('sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'library', '--package-lock-only');
  const { components } = JSON.parse(text);
  const missing = Object.entries(dependencies).filter(
    ([dependency, pinned]) => !components.some((one) => one.name === dependency && one.version === pinned),
  );
  if (missing.length > 0 || text.includes(temporary)) {
    console.error(`The list of components is wrong: without ${missing.join(', ') || 'nothing'}\n${text}`);
    exit(1);
  }
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text);
  console.log(components.map((one) => `${one.name}@${one.version}`).join(' '));
} finally {
  rmSync(temporary, { recursive: true });
}
