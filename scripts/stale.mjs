import { readdirSync, statSync } from 'node:fs';

// Plain Node and no import from a package: this runs before anything is installed. Paths are relative to the root.

const changedAt = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** npm writes the file inside node_modules last: after an interrupted installation it is missing. */
export const mustInstall = () => changedAt('node_modules/.package-lock.json') < changedAt('package-lock.json');

/** The build writes it last: after an interrupted build it is missing. */
const BUILT = 'dist/console/assets/LICENSES.txt';

export function mustBuild() {
  const sources = ['src', 'console'].flatMap((folder) =>
    readdirSync(folder, { recursive: true }).map((path) => `${folder}/${path}`),
  );
  const inputs = [
    'src',
    'console',
    'nest-cli.json',
    'scripts/openapi-imports.mjs',
    'scripts/build-clients.mjs',
    'scripts/build-console.mjs',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
    ...sources,
  ];
  return inputs.some((path) => changedAt(path) > changedAt(BUILT));
}

/** A clean installation needs development packages too, whatever NODE_ENV says. */
export const install = ['npm', 'ci', '--include=dev'];
export const installFailed =
  'npm ci failed: see its message above. It needs Node 20.19 or later and a reachable npm registry.';
