import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { argv, chdir, env, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { problemsOfContents } from './package-contents.mjs';

// Everything of a release except the publishing, on any machine. Leaves the tarball and the list of its components in
// artefacts/release. `--skip-tests` leaves out `npm run check` and `npm test`, for a commit that has passed them.

chdir(fileURLToPath(new URL('..', import.meta.url)));
const FOLDER = 'artefacts/release';
const read = (path) => readFileSync(path, 'utf8');
const manifest = JSON.parse(read('package.json'));
const { version } = manifest;

function step(name, problems) {
  console.log(`${problems.length === 0 ? 'ok    ' : 'FAILED'} ${name}`);
  for (const problem of problems) console.log(`       ${problem}`);
  if (problems.length > 0) exit(1);
}
function run(command, ...args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  step([command, ...args].join(' '), status === 0 ? [] : [`${stdout}${stderr}`]);
}

const tag = env.GITHUB_REF_TYPE === 'tag' ? env.GITHUB_REF_NAME : `v${version}`;
const lock = JSON.parse(read('package-lock.json'));
const [, section] = /^## (.+)$/m.exec(read('CHANGELOG.md')) ?? [];
step(`version ${version}`, [
  ...(tag === `v${version}` ? [] : [`the tag is ${tag}`]),
  ...(lock.version === version && lock.packages[''].version === version ? [] : ['package-lock.json has another one']),
  ...(new RegExp(`^${RegExp.escape?.(version) ?? version.replaceAll('.', '\\.')} - \\d{4}-\\d\\d-\\d\\d$`).test(section)
    ? []
    : [`the first section of CHANGELOG.md is "${section}", not "${version} - " and a date`]),
]);
const changes = execFileSync('git', ['status', '--porcelain'], { encoding: 'utf8' }).trimEnd();
step('clean working tree', changes === '' ? [] : changes.split('\n'));

run('npm', 'run', '--silent', 'docs:api');
run('npm', 'run', '--silent', 'build');
rmSync(FOLDER, { recursive: true, force: true });
mkdirSync(FOLDER, { recursive: true });
const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', FOLDER], { encoding: 'utf8' });
const [{ filename, files, unpackedSize }] = JSON.parse(packed);
const tarball = `${FOLDER}/${filename}`;
const paths = files.map(({ path }) => path);
step(`${filename}: ${paths.length} files, ${unpackedSize} bytes`, problemsOfContents(manifest, paths, read));
run('npm', 'run', '--silent', 'publint', '--', tarball);
run('npm', 'run', '--silent', 'types:check', '--', tarball);
run('npm', 'run', '--silent', 'sbom', `${FOLDER}/${filename.replace('.tgz', '.cdx.json')}`);
run('npx', 'jest', '--testMatch', '**/embedding/doors.long.ts');
if (!argv.includes('--skip-tests')) {
  run('npm', 'run', 'check');
  run('npm', 'test');
}
