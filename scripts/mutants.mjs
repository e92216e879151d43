import { spawn, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { argv, chdir, cwd, env, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { plantedDefects } from './planted-defects.mjs';

// `npm run test:mutants [-- part of a name | -- --share N]`: plants one defect after the other in copies of the sources, and
// runs the spec that must see it. A defect that survives is a test that is missing. `--share 5` plants every fifth one,
// beginning where the commit's hash says, so that each commit meets others.

chdir(fileURLToPath(new URL('..', import.meta.url)));

const LANES = Math.min(2, availableParallelism());
const { values, positionals } = parseArgs({
  args: argv.slice(2),
  options: { share: { type: 'string' } },
  allowPositionals: true,
});
const [wanted = ''] = positionals;
const share = Number(values.share ?? 1);
if (!Number.isInteger(share) || share < 1)
  throw new Error(`--share must be a whole number from 1, not ${values.share}`);
const first =
  share === 1 ? 0 : parseInt(execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).slice(0, 8), 16) % share;
const defects = plantedDefects.filter(({ name }, place) => name.includes(wanted) && place % share === first);

/** The text with the changes made; a search string that is not there exactly once is a stale entry. */
function planted({ name, changes }, textOf) {
  const texts = new Map();
  for (const { file, find, replace } of changes) {
    const parts = (texts.get(file) ?? textOf(file)).split(find);
    if (parts.length !== 2) throw new Error(`"${name}": ${parts.length - 1} times in ${file}, not once: ${find}`);
    texts.set(file, parts.join(replace));
  }
  return texts;
}

/** A copy of what is in the repository, where specs run without each other. */
function makeCopy() {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ratchet-mutants-')));
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    encoding: 'utf8',
  });
  for (const file of files.split('\0')) {
    if (!/^(src|test|scripts|docs)\/|^[^/]+\.(json|cjs|mjs|ts)$|^\.env\.example$/.test(file)) continue;
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(file, join(folder, file));
  }
  symlinkSync(realpathSync('node_modules'), join(folder, 'node_modules'));
  writeFileSync(
    join(folder, 'jest.mutants.cjs'),
    `const testMatch = ['**/*.{spec,long}.ts'];
     module.exports = { ...require('./jest.config.cjs'), id: 'ratchet-mutants', testMatch, maxWorkers: 1, testTimeout: 20_000 };`,
  );
  return folder;
}

/** Of a test that has waited too long, for what a defect has taken away or for a machine that was busy. */
const TIMEOUT = /Exceeded timeout of/;

/** What jest says of some specs in one copy. */
async function run({ folder, url }, specs, only) {
  const report = join(folder, 'report.json');
  rmSync(report, { force: true });
  // A test that a defect has failed may leave something open, on which the process would wait.
  const args = ['--config', 'jest.mutants.cjs', '--runInBand', '--forceExit', '--json', `--outputFile=${report}`];
  if (only !== undefined) args.push('--testNamePattern', only);
  const child = spawn(process.execPath, ['node_modules/jest/bin/jest.js', ...args, '--runTestsByPath', ...specs], {
    cwd: folder,
    // More sequences than the model plays elsewhere: a defect must not survive by chance.
    env: { ...env, TEST_DATABASE_URL: url, MODEL_SEQUENCES: '200' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const chunks = [];
  child.stderr.on('data', (chunk) => chunks.push(chunk));
  await new Promise((resolve) => child.on('close', resolve));
  const output = Buffer.concat(chunks).toString();
  if (!existsSync(report)) throw new Error(`Jest left no report of ${specs.join(' ')}:\n${output}`);
  return { ...JSON.parse(readFileSync(report, 'utf8')), output };
}

function verdictOf({ numRuntimeErrorTestSuites, numFailedTests, numPassedTests, testResults, output }) {
  if (numRuntimeErrorTestSuites > 0) return { caught: false, by: `IT DOES NOT LOAD: ${output.slice(0, 800)}` };
  if (numFailedTests === 0) return { caught: false, by: numPassedTests === 0 ? 'NO TEST RAN' : 'SURVIVED' };
  const failed = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'failed');
  const seen = failed.find(({ failureMessages }) => !failureMessages.every((message) => TIMEOUT.test(message)));
  return seen === undefined
    ? { caught: true, isLate: true, by: `${failed[0].fullName} (BY A TIMEOUT, ALONE TOO)` }
    : { caught: true, isLate: false, by: seen.fullName };
}

for (const defect of plantedDefects) planted(defect, (file) => readFileSync(file, 'utf8')); // stale ones fail at once

const results = new Map();
const queue = [...defects];
const late = [];
// Without a defect the same tests must be green: what is red anyway catches nothing.
const specsOf = (some) => [...new Set(some.map(({ spec }) => spec))];
const [named, whole] = [defects.filter(({ only }) => only), defects.filter(({ only }) => !only)];
const sane = [
  { specs: specsOf(named), only: named.map(({ only }) => only).join('|') },
  { specs: specsOf(whole), only: undefined },
].filter(({ specs }) => specs.length > 0);

async function expectGreen(place, { specs, only }) {
  const { numFailedTests, numPassedTests, numRuntimeErrorTestSuites, output } = await run(place, specs, only);
  if (numFailedTests + numRuntimeErrorTestSuites > 0) throw new Error(`Red without a defect:\n${output}`);
  console.log(`Without a defect, ${numPassedTests} tests in ${specs.length} specs are green`);
}

async function plant(place, defect) {
  const { folder } = place;
  const texts = planted(defect, (file) => readFileSync(join(folder, file), 'utf8'));
  const before = new Map([...texts.keys()].map((file) => [file, readFileSync(join(folder, file))]));
  for (const [file, text] of texts) writeFileSync(join(folder, file), text);
  const verdict = verdictOf(await run(place, [defect.spec], defect.only));
  for (const [file, text] of before) writeFileSync(join(folder, file), text);
  return verdict;
}

function report(defect, verdict) {
  results.set(defect.name, verdict);
  console.log(`${verdict.caught ? 'caught ' : 'MISSED '} ${defect.name}\n        ${defect.spec}: ${verdict.by}`);
}

/** A copy with a server of its own, which all its runs use: to start one takes longer than most of the specs. */
async function inCopy(work) {
  const folder = makeCopy();
  const server = spawn(process.execPath, ['-r', '@swc-node/register', 'test/support/database/serve.ts'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const stopped = once(server, 'exit');
  try {
    const [url] = await once(server.stdout.setEncoding('utf8'), 'data');
    await work({ folder, url: url.trim() });
  } finally {
    server.stdin.end();
    await stopped;
    rmSync(folder, { recursive: true, force: true });
  }
}

async function lane(place) {
  for (let next = sane.shift(); next !== undefined; next = sane.shift()) await expectGreen(place, next);
  for (let defect = queue.shift(); defect !== undefined; defect = queue.shift()) {
    const verdict = await plant(place, defect);
    if (verdict.isLate) late.push(defect);
    else report(defect, verdict);
  }
}

/** A timeout alone may be the machine's: it counts when nothing else runs, and the same tests are green without the defect. */
async function again(place) {
  for (const defect of late) {
    await expectGreen(place, { specs: [defect.spec], only: defect.only });
    report(defect, await plant(place, defect));
  }
}

const started = Date.now();
await Promise.all(Array.from({ length: LANES }, () => inCopy(lane)));
if (late.length > 0) await inCopy(again);
const caught = [...results.values()].filter((verdict) => verdict.caught).length;
const missed = defects.length - caught;
mkdirSync('reports', { recursive: true });
writeFileSync(
  join(cwd(), 'reports/jest-mutants.json'),
  JSON.stringify({
    numPassedTests: caught,
    numFailedTests: missed,
    numRuntimeErrorTestSuites: 0,
    // As Jest says it of a test, for the summary of `.ci/run`.
    testResults: defects
      .filter(({ name }) => results.get(name)?.caught !== true)
      .map(({ name, spec }) => ({
        name: spec,
        assertionResults: [{ status: 'failed', fullName: `planted defect: ${name}` }],
      })),
  }),
);
console.log(
  `${defects.length} planted defects: ${caught} caught, ${missed} missed, in ${Math.round((Date.now() - started) / 1000)} s`,
);
exit(missed === 0 && defects.length > 0 ? 0 : 1);
