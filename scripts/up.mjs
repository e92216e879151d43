import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { chdir, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { install, installFailed, mustBuild, mustInstall } from './stale.mjs';

// Installs and builds what is missing or stale, then runs the application in the foreground.

chdir(fileURLToPath(new URL('..', import.meta.url)));

let child;
let asked = false;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    asked = true;
    if (child) child.kill(signal);
    else exit(128 + constants.signals[signal]);
  });
}

/**
 * Resolves with the exit code, by the shell's convention for a death by signal.
 *
 * The program gets a session of its own and every signal that arrives here: a later one makes the application stop without
 * waiting. In this process's group Ctrl-C would reach it from the terminal, too, and would stop the embedded
 * PostgreSQL under the requests that are still using it.
 */
async function run(command, ...args) {
  const code = await new Promise((resolve, reject) => {
    child = spawn(command, args, { stdio: 'inherit', detached: true });
    child.on('error', reject);
    child.on('exit', (status, signal) => resolve(status ?? 128 + constants.signals[signal]));
  });
  child = undefined;
  if (asked) exit(code);
  return code;
}

if (mustInstall()) {
  const code = await run(...install);
  if (code !== 0) {
    console.error(installFailed);
    exit(code);
  }
}
if (mustBuild()) {
  const code = await run('npm', 'run', 'build');
  if (code !== 0) exit(code);
}
exit(await run(process.execPath, 'dist/main.js'));
