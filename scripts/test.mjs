import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { chdir, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { install, installFailed, mustInstall } from './stale.mjs';

// Every check of the project, two at a time; then the tests, which use both cores themselves.

chdir(fileURLToPath(new URL('..', import.meta.url)));

if (mustInstall()) {
  const [command, ...args] = install;
  if (spawnSync(command, args, { stdio: 'inherit' }).status !== 0) {
    console.error(installFailed);
    exit(1);
  }
}

rmSync('reports', { recursive: true, force: true });
mkdirSync('reports');

const results = [];

/** Runs one npm script. Its output is printed only if it fails, so that two at a time stay readable. */
async function check(script, stdio = 'pipe') {
  const started = Date.now();
  const child = spawn('npm', ['run', '--silent', script], { stdio: ['ignore', stdio, stdio] });
  const output = [];
  child.stdout?.on('data', (chunk) => output.push(chunk));
  child.stderr?.on('data', (chunk) => output.push(chunk));
  const code = await new Promise((resolve) => child.on('close', resolve));
  const seconds = (Date.now() - started) / 1000;
  results.push({ script, passed: code === 0 });
  if (code !== 0) process.stdout.write(Buffer.concat(output));
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${script.padEnd(14)} ${seconds.toFixed(1).padStart(6)} s`);
}

async function inTurn(...scripts) {
  for (const script of scripts) await check(script);
}

const openapi = existsSync('scripts/openapi.mjs') ? ['openapi:check', 'openapi:lint'] : [];
await Promise.all([
  inTurn('typecheck', 'docs:api', 'build', 'format:check', ...openapi),
  inTurn('lint', 'boundaries', 'knip'),
]);
await check('test:jest', 'inherit');

writeFileSync('reports/checks.json', JSON.stringify(results));
const failed = results.filter(({ passed }) => !passed);
console.log(failed.length === 0 ? 'All checks passed.' : `Failed: ${failed.map(({ script }) => script).join(', ')}.`);
exit(failed.length === 0 ? 0 : 1);
