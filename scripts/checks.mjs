import { spawn, spawnSync } from 'node:child_process';
import { chdir, env, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { install, installFailed, mustInstall } from './stale.mjs';

chdir(fileURLToPath(new URL('..', import.meta.url)));

if (mustInstall()) {
  const [command, ...args] = install;
  if (spawnSync(command, args, { stdio: 'inherit' }).status !== 0) {
    console.error(installFailed);
    exit(1);
  }
}

/** Most of what compilers and tests make is short-lived: with more room for it, they take about a tenth less time. */
const NODE_OPTIONS = `--max-semi-space-size=64 ${env.NODE_OPTIONS ?? ''}`.trim();

const failed = [];

/** Runs npm scripts, one after the other. The output of one that fails is printed; `inherit` prints it as it appears. */
export async function inTurn(scripts, stdio = 'pipe') {
  for (const script of scripts) {
    const started = Date.now();
    const child = spawn('npm', ['run', '--silent', script], {
      stdio: ['ignore', stdio, stdio],
      env: { ...env, NODE_OPTIONS },
    });
    const output = [];
    child.stdout?.on('data', (chunk) => output.push(chunk));
    child.stderr?.on('data', (chunk) => output.push(chunk));
    const code = await new Promise((resolve) => child.on('close', resolve));
    const seconds = (Date.now() - started) / 1000;
    if (code !== 0) failed.push(script);
    process.stdout.write(code === 0 ? '' : Buffer.concat(output));
    console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${script.padEnd(14)} ${seconds.toFixed(1).padStart(6)} s`);
  }
}

/** Ends the process: green only if every script was. */
export function finish() {
  console.log(failed.length === 0 ? 'All passed.' : `Failed: ${failed.join(', ')}.`);
  exit(failed.length === 0 ? 0 : 1);
}
